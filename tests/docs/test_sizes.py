"""The figures of docs/operating.md under Sizing that are not the benchmarks': bytes a row on disk and in the WAL, and connections."""

from __future__ import annotations

import hashlib
import random
import re
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from actors.messages import Page, PageReading
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from actors.store import schema
from actors.store.pages import write_page
from actors.system import System
from tests.docs.cost_table import BY_HEAD, BY_TIMER, BY_TIMER_IN_HEADS
from tests.docs.pages import ROOT
from tests.postgres_world import OURS, admin
from tests.store.scene import AUDIO, config_of
from tests.world import HEADS, LOGS, Mode, World, eventually, followed, running

SIZING = re.search(r"^## Sizing$(.*?)^## ", (ROOT / "docs" / "operating.md").read_text(), re.MULTILINE | re.DOTALL)
ROWS, PAGE = 30_000, 5_000
TOLERANCE = 0.15


def said(pattern: str) -> float:
    """A figure of that section."""
    assert SIZING is not None
    found = re.search(pattern, SIZING[1])
    assert found is not None, f"{pattern} is not under Sizing"
    return float(found[1].replace(",", ""))


def sweep(conn: psycopg.Connection[tuple[object, ...]], wallets: list[str], block: int) -> float:
    """Write all rows once, by pages; the bytes of WAL a row."""
    before = conn.execute("select pg_current_wal_lsn()").fetchone()
    for at in range(0, ROWS, PAGE):
        some = wallets[at : at + PAGE]
        sums = ",".join(hex(10**18 + int(wallet[2:10], 16)) for wallet in some)
        page = Page(1, 1, AUDIO.name, ",".join(some), PAGE)
        write_page(conn, PageReading(page, page.wallets, sums, PAGE, block, bytes(32), 0, 0.0), {AUDIO.name: AUDIO}, lambda: 0.0)
    row = conn.execute("select pg_wal_lsn_diff(pg_current_wal_lsn(), %s)", before).fetchone()
    assert row is not None
    return float(str(row[0])) / ROWS


@pytest.mark.long
def test_a_row_takes_as_much_disk_and_wal_as_is_said() -> None:
    wallets = ["0x" + hashlib.sha256(str(number).encode()).hexdigest()[:40] for number in range(ROWS)]
    random.Random(1).shuffle(wallets)
    with PrivatePostgres({"full_page_writes": "on"}) as server, psycopg.connect(server.url("postgres"), autocommit=True) as conn:
        schema.init(conn, config_of(AUDIO))
        for block in range(1, 6):
            wal = sweep(conn, wallets, block)
            conn.execute(sql.SQL("vacuum {}").format(sql.Identifier(AUDIO.table)))
        size = conn.execute("select pg_total_relation_size('eth_wallet_balances')").fetchone()
        assert size is not None
    assert int(str(size[0])) / ROWS == pytest.approx(said(r"some (\d+) bytes a row on disk"), rel=TOLERANCE)
    assert wal == pytest.approx(said(r"some (\d+) bytes of WAL a row"), rel=TOLERANCE)


async def test_a_process_has_as_many_connections_as_is_said(tmp_path: Path, database_url: str, town: Town) -> None:
    world = World(tmp_path, database_url, town, interval=0.2, extra="[audit]\nrows_a_minute = 600", chain="confirm_secs = 0.3")
    every = said(r"at most (\d+) a process")
    async with running(world) as system:
        assert len(system.databases) == every
        await followed(world)
        town.traffic(10)
        await eventually(world.is_true, "true rows")
        await eventually(lambda: len(admin(world.database, f"SELECT pid {OURS}")) >= every - 2, "most of the connections")
        assert len(admin(world.database, f"SELECT pid {OURS}")) <= every


@pytest.mark.parametrize(("mode", "asked"), [(LOGS, [BY_TIMER]), (HEADS, [BY_HEAD, BY_TIMER_IN_HEADS])], ids=["logs", "heads"])
async def test_a_closing_of_a_quiet_asset_asks_for_what_the_cost_table_counts(
    tmp_path: Path, database_url: str, town: Town, mode: Mode, asked: list[tuple[str, ...]]
) -> None:
    world = World(tmp_path, database_url, town, **mode)

    def calls(system: System, method: str) -> float:
        return float(system.metrics.rpc_calls.labels("town", "subscriber", method)._value.get())

    async with running(world, sweep=False) as system:
        await followed(world)
        closings = system.metrics.closings.labels("TOWN")._value
        for _ in range(3):  # the first ones of a start ask for more
            await _closed(world)
        before = {method: calls(system, method) for method in ("eth_call", "eth_getLogs")}
        began = closings.get()
        for _ in range(5):
            await _closed(world)
        closed = closings.get() - began
        assert closed >= 5
        closed += 1  # one by timer may be under way
        assert calls(system, "eth_getLogs") - before["eth_getLogs"] <= closed
        assert calls(system, "eth_call") - before["eth_call"] <= sum("eth_call" in methods for methods in asked) * closed


async def _closed(world: World) -> None:
    """One more block, closed and confirmed."""
    world.town.mine()
    head = world.town.block()
    await eventually(lambda: world.marks() == (head, head), "the closing of a block")
