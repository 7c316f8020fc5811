"""Several processes on one `wallet_balances`: killed, paused, counted. What was held by whom is recorded by the database itself."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from tests.ledger_world import LedgerWorld, syncing
from tests.proxy import Call, open_proxy
from tests.proxy_faults import Tally
from tests.test_ledger import synced, token_balances
from tests.world import eventually

PATIENCE_SECS = 200
# Every change of hands and every write, as the database saw it.
HISTORY = """
CREATE TABLE history (at TIMESTAMPTZ, id UUID, before TEXT, until TIMESTAMPTZ, after TEXT, wrote BOOLEAN);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  INSERT INTO history VALUES (clock_timestamp(), NEW.id, OLD.locked_by, OLD.locked_until, NEW.locked_by,
    NEW.sync_count <> OLD.sync_count OR NEW.error_count <> OLD.error_count);
  RETURN NULL; END $$;
CREATE TRIGGER note AFTER UPDATE ON wallet_balances FOR EACH ROW
  WHEN (OLD.locked_by IS DISTINCT FROM NEW.locked_by OR OLD.sync_count <> NEW.sync_count OR OLD.error_count <> NEW.error_count)
  EXECUTE FUNCTION note();
"""
TAKEN_WHILE_HELD = "SELECT * FROM history WHERE before IS NOT NULL AND after IS NOT NULL AND before <> after AND until > at"
WRITTEN_UNHELD = "SELECT * FROM history WHERE wrote AND before IS NULL"
CLAIMERS = "SELECT count(DISTINCT split_part(after, ':', 2)) FROM history"


def wait_until(state: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECS
    while not state():
        assert time.monotonic() < deadline, f"{what} did not come about"
        time.sleep(0.05)


@contextmanager
def worker(world: LedgerWorld, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`trueup run`, in a process of its own."""
    with log.open("wb") as out:
        command = [sys.executable, "-m", "actors", "run", "-c", str(world.path)]
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def stopped(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(timeout=60)


def holder_of(world: LedgerWorld, pid: int) -> int:
    """How many rows a process holds."""
    return int(world.books.query("SELECT count(*) FROM wallet_balances WHERE locked_by ~ %s", f":{pid}:")[0][0])


def stopped_with_rows(world: LedgerWorld, process: subprocess.Popen[bytes]) -> bool:
    """Stop it where it stands; it goes on if it holds nothing there."""
    process.send_signal(signal.SIGSTOP)
    if holder_of(world, process.pid):
        return True
    process.send_signal(signal.SIGCONT)
    return False


def insert(world: LedgerWorld, town: Town, chain: str, asset: str) -> dict[str, bytes]:
    """As `fill`, of thousands at once."""
    texts = ["0x" + wallet.hex() for wallet in town.wallets]
    found = world.books.query(
        """
        WITH w AS (INSERT INTO user_wallet_addresses SELECT gen_random_uuid(), a, %s::uuid FROM unnest(%s::text[]) a RETURNING id, address),
        b AS (INSERT INTO wallet_balances (id, wallet_id, asset_on_chain_id) SELECT gen_random_uuid(), id, %s FROM w RETURNING id, wallet_id)
        SELECT b.id::text, w.address FROM b JOIN w ON w.id = b.wallet_id
        """,
        *(chain, texts, asset),
    )
    return {row: bytes.fromhex(address[2:]) for row, address in found}


@pytest.mark.long
@pytest.mark.timeout(600)
def test_four_processes_share_20_000_rows_and_one_of_them_is_killed(tmp_path: Path, database_url: str) -> None:
    world = LedgerWorld(tmp_path, database_url, interval=0.1, batch=200, lease=3, more=HISTORY)
    books, truth = world.books, dict[str, str | None]()
    with ExitStack() as stack:
        for number in (31337, 31338, 31339):
            anvil = stack.enter_context(Anvil(options=["--chain-id", str(number)]))
            town = Town(anvil, wallets=4000, seed=number)
            world.settle(town)
            chain = books.chain(f"chain-{number}", anvil.http)
            rows = insert(world, town, chain, books.asset(chain, town.token, 6))
            truth |= token_balances(town, rows)
            if number != 31339:
                truth |= dict.fromkeys(insert(world, town, chain, books.asset(chain)), "0")
            idle = insert(world, Town(anvil, wallets=20, seed=5), chain, books.asset(chain, town.token, active=False))
            truth |= dict.fromkeys(idle)
        processes = [stack.enter_context(worker(world, tmp_path / f"log-{at}")) for at in range(4)]
        wait_until(lambda: books.query("SELECT count(*) FROM wallet_balances WHERE sync_count > 0")[0][0] > 4000, "some synced rows")
        wait_until(lambda: books.query(CLAIMERS) == [(4,)], "a share for each")  # one may be slow to start
        victim = processes[1]
        wait_until(lambda: stopped_with_rows(world, victim), "rows that are held by the one to be killed")
        victim.kill()
        active = "SELECT count(*) FROM wallet_balances b JOIN asset_on_chain a ON a.id = b.asset_on_chain_id WHERE a.is_active AND sync_count = 0"
        wait_until(lambda: books.query(active)[0][0] == 0, "synced rows")
        wait_until(lambda: holder_of(world, victim.pid) == 0, "the dead one's rows are taken over")
        others = [process for process in processes if process is not victim]
        assert [stopped(process) for process in others] == [0, 0, 0]
    assert len(truth) == 20_000 + 60
    assert world.raw() == truth
    assert books.held() == 0
    assert books.aside() == {}
    assert books.query(TAKEN_WHILE_HELD) == []
    assert books.query(WRITTEN_UNHELD) == []
    assert books.query(CLAIMERS) == [(4,)]


@pytest.mark.long
@pytest.mark.timeout(400)
def test_a_process_that_was_paused_past_its_lease_writes_nothing_over_its_successors_rows(
    tmp_path: Path, database_url: str, town: Town, anvil: Anvil
) -> None:
    world = LedgerWorld(tmp_path, database_url, interval=0.1, lease=1.5, more=HISTORY)
    books = world.books
    chain = books.chain("town", anvil.http)
    with worker(world, tmp_path / "first") as first:
        asset = books.asset(chain, town.token)
        world.settle(town)
        before = insert(world, Town(anvil, wallets=1, seed=5), chain, asset)
        wait_until(lambda: synced(world, before), "a chain whose node was asked which it is")
        anvil_paused(anvil, True)
        rows = insert(world, town, chain, asset)
        wait_until(lambda: holder_of(world, first.pid) >= len(rows), "rows that are held")
        ((former,),) = books.query("SELECT DISTINCT locked_by FROM wallet_balances")
        first.send_signal(signal.SIGSTOP)
        anvil_paused(anvil, False)
        with worker(world, tmp_path / "second") as second:
            wait_until(lambda: synced(world, rows), "rows that the second one synced")
            assert stopped(second) == 0
        assert books.held() == 0
        first.send_signal(signal.SIGCONT)
        wait_until(lambda: holder_of(world, first.pid) > 0 or synced(world, rows, 2), "the first one goes on")
        wait_until(lambda: synced(world, rows, 3), "rows that the first one syncs by claims of its own")
        assert stopped(first) == 0
    assert books.query("SELECT count(*) FROM history WHERE wrote AND before = %s", former) == [(0,)]
    assert books.query(WRITTEN_UNHELD) == []
    assert books.query(TAKEN_WHILE_HELD) == []
    assert world.raw() == token_balances(town, {**before, **rows})


def anvil_paused(anvil: Anvil, paused: bool) -> None:
    """The node neither answers nor refuses."""
    os.kill(anvil.pid, signal.SIGSTOP if paused else signal.SIGCONT)


ENTRY = re.compile(r"LOG:  (?:execute <unnamed>|statement): (.*)", re.DOTALL)


def statements(postgres: PrivatePostgres, since: int) -> list[str]:
    """What the program asked about rows; besides, it reads the chains once a tick."""
    entries = postgres.log.read_bytes()[since:].decode(errors="replace").split("@@ ")
    own = [found[1] for entry in entries if entry.startswith("trueup") and (found := ENTRY.search(entry))]
    return [text for text in own if "wallet_balances" in text]


def has_synced(world: LedgerWorld, count: int) -> bool:
    """So many rows at least."""
    return bool(world.books.query("SELECT count(*) FROM wallet_balances WHERE sync_count > 0")[0][0] >= count)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_20_000_rows_cost_one_call_for_200_and_three_statements_a_batch(tmp_path: Path, anvil: Anvil) -> None:
    town = Town(anvil, wallets=10_000)
    with PrivatePostgres({"log_statement": "all", "log_line_prefix": "@@ %a "}) as postgres:
        async with open_proxy(anvil) as proxy:
            world = LedgerWorld(tmp_path, postgres.fresh("counted"), interval=0.02, batch=200)
            world.settle(town)
            chain = world.books.chain("town", proxy.http)
            rows = insert(world, town, chain, world.books.asset(chain, town.token))
            rows |= insert(world, town, chain, world.books.asset(chain))
            proxy.add(calls := Tally(lambda call: call.method == "eth_call" and wallets_in(town, call)))
            since = postgres.log.stat().st_size
            async with syncing(world):
                for count in range(4_000, 20_000, 4_000):  # each step has the patience of one
                    await eventually(partial(has_synced, world, count), f"{count} synced rows")
                await eventually(lambda: synced(world, rows), "synced rows")
        asked = statements(postgres, since)
    claims = [text for text in asked if "skip locked" in text]
    assert len(rows) == 20_000
    assert len(claims) >= 100
    assert len(asked) <= 2 * len(claims) + 1  # a claim and a write; the third would be that of rows that fail
    assert calls.struck <= len(claims)


def wallets_in(town: Town, call: Call) -> bool:
    """Whether a call reads any of the town's wallets."""
    said = str(call.params).lower()
    return any(wallet.hex() in said for wallet in town.wallets)
