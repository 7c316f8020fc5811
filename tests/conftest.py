"""A real Postgres and a real chain for whatever needs them: one server a test process, a fresh database and a fresh chain a test."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from actors.evm import tls
from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from tests import asking, process
from tests.role import make_role

# A busy machine is slow, which is no finding; and the gate's examples are the same each time: new ones are `just fuzz`'s and `just simulate`'s.
settings.register_profile("gate", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gate")
_databases = itertools.count(1)


def pytest_configure() -> None:
    """Ctrl-C is what it is: in what a shell starts in the background it is ignored, and all children would inherit that."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def authorities_read_once() -> Iterator[None]:
    """Whom the machine trusts is read once a test process: it takes a core a tenth of a second, and each start of the service reads it."""
    trusting, machines = tls.trusting, tls.trusting()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tls, "trusting", lambda ca_file="": trusting(ca_file) if ca_file else machines)
        yield


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """What a test started is ended, what it asked its databases over is closed."""
    yield
    process.reap_all()
    asking.leave()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PrivatePostgres]:
    """The test process's Postgres, with the service's role, whichever test comes first."""
    with PrivatePostgres() as server:
        make_role(server.url("postgres"))
        yield server


@pytest.fixture
def database_url(postgres_server: PrivatePostgres) -> Iterator[str]:
    """A fresh, empty database."""
    name = f"test_{next(_databases)}"
    yield postgres_server.fresh(name)
    postgres_server.drop(name)


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    """A fresh chain, one block a transaction."""
    with Anvil() as anvil:
        yield anvil


@pytest.fixture
def town(anvil: Anvil) -> Town:
    """A small town on it."""
    return Town(anvil, wallets=20)
