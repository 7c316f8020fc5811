"""A real Postgres and a real chain for whatever needs them: one server a test process, a fresh database and a fresh chain a test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town

_databases = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PrivatePostgres]:
    """The test process's Postgres."""
    with PrivatePostgres() as server:
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
