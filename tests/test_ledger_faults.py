"""The ledger under what nodes, Postgres and chaos do to it: the rows come out right, and none is left locked."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio

from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from tests.awaits import Awaits
from tests.deaths import die_at_each, empty, mortal
from tests.ledger_world import LedgerWorld, syncing
from tests.postgres_world import start_again
from tests.proxy import Fault, open_proxy
from tests.proxy_faults import BodyCap, HalfJson, HangUp, HtmlPage, IgnoresTag, Lag, OtherChain, OtherId, SubCallCap, Throttle
from tests.test_ledger import synced, token_balances
from tests.world import eventually

FAULTS: dict[str, Callable[[], Fault]] = {
    "hangs up": HangUp,
    "half a JSON": HalfJson,
    "an HTML page": HtmlPage,
    "another id": OtherId,
    "429": Throttle,
    "lags": lambda: Lag(3),
    "ignores the tag": IgnoresTag,
    "another chain": OtherChain,
    "a small body": lambda: BodyCap(1_500),
    "few sub-calls": lambda: SubCallCap(9),
}


def right(world: LedgerWorld, town: Town, rows: dict[str, bytes]) -> bool:
    return world.raw() == token_balances(town, rows)


@pytest.mark.parametrize("make", list(FAULTS.values()), ids=list(FAULTS))
async def test_a_node_that_misbehaves_and_is_well_again_costs_no_truth(
    tmp_path: Path, database_url: str, town: Town, anvil: Anvil, make: Callable[[], Fault]
) -> None:
    async with open_proxy(anvil) as proxy:
        world = LedgerWorld(tmp_path, database_url)
        chain = world.books.chain("somewhere", proxy.http)
        world.books.query("INSERT INTO trueup_ledger_chains VALUES (%s, 31337)", chain)
        rows = world.fill(town, chain, world.books.asset(chain, town.token))
        async with syncing(world):
            with proxy.fault(make()) as fault:
                await eventually(lambda: fault.struck > 0, "the fault")
                assert set(world.raw().values()) <= {None, *token_balances(town, rows).values()}
            await eventually(lambda: synced(world, rows), "synced rows")
        assert right(world, town, rows)
        assert world.books.held() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["fast stop", "kill"])
async def test_postgres_may_go_and_come_back(tmp_path: Path, town: Town, anvil: Anvil, number: int) -> None:
    with PrivatePostgres() as server:
        world = LedgerWorld(tmp_path, server.fresh("ledger"), lease=2)
        chain = world.books.chain("somewhere", anvil.http)
        rows = world.fill(town, chain, world.books.asset(chain, town.token))
        async with syncing(world) as system:
            await eventually(lambda: synced(world, rows), "synced rows")
            server.stop(number)
            await eventually(lambda: not system.view.store_ok, "a worker that waits")
            start_again(server)
            times = max(count for (count,) in world.books.query("SELECT sync_count FROM wallet_balances"))
            await eventually(lambda: synced(world, rows, times + 2), "rows that are synced again")
            assert [name for name, child in system.supervisor.children.items() if child.restarts] == []
        assert world.books.held() == 0


class Fixed:
    """The fixed run: rows of two assets are synced twice, and the service stops."""

    def __init__(self, folder: Path, database: str, town: Town, anvil: Anvil) -> None:
        self._world = LedgerWorld(folder, database, interval=0.05, lease=3)
        self._town, self._anvil = town, anvil
        self.left_to_leases = 0

    def run(self, awaits: Awaits) -> None:
        """One run under the instrument, on empty tables."""
        world, books = self._world, self._world.books
        empty(books.url)
        chain = books.chain("town", self._anvil.http)
        rows = world.fill(self._town, chain, books.asset(chain, self._town.token), 2)
        books.row("11111111-1111-1111-1111-111111111111", books.asset(chain))
        trio.run(self._story, rows, awaits, instruments=[awaits])
        assert {row: raw for row, raw in world.raw().items() if row in rows} == token_balances(self._town, rows)
        # Who dies as the service stops, between a claim's commit and its registration, leaves that claim to its lease: as a dead process does.
        self.left_to_leases += books.held() > 0

    async def _story(self, rows: dict[str, bytes], awaits: Awaits) -> None:
        world = self._world
        async with mortal(world.config, awaits):
            await eventually(lambda: synced(world, rows, 2) and len(world.books.aside()) == 1, f"synced rows after {awaits}")


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory, postgres_server: PrivatePostgres) -> Iterator[Fixed]:
    with Anvil() as anvil:
        yield Fixed(tmp_path_factory.mktemp("fixed"), postgres_server.fresh("ledger_dies"), Town(anvil, wallets=2), anvil)
    postgres_server.drop("ledger_dies")


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kill", [True, False], ids=["killed", "crashed"])
@pytest.mark.parametrize("kind", ["ledger", "writer"])
def test_an_actor_may_die_at_any_await(fixed: Fixed, kind: str, kill: bool) -> None:
    before = fixed.left_to_leases
    die_at_each(fixed.run, kind, kill)
    assert fixed.left_to_leases - before <= 2, "claims are not given back"
