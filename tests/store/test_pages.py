"""A sweep's pages on a real Postgres: what the double cannot show."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg
import pytest

from actors.errors import StoreDown
from actors.messages import Covered, Failed, Marks, Page, PageReading, PageResult, Touch, WriteBatch
from actors.store import chain, checkpoint, pages
from actors.store.pages import Selected, _are_wallets, oldest_page, write_page
from actors.store.postgres import Database
from actors.store.write import write as store_write
from tests.store.scene import HASH, Store, key, reading, wallet

ORPHAN = bytes(31) + b"\x09"


def page_reading(sums: dict[int, int], block: int, block_hash: bytes = HASH) -> PageReading:
    wallets = ",".join(key(number) for number in sums)
    return PageReading(Page(1, 1, "AUDIO", wallets, len(sums)), wallets, ",".join(map(hex, sums.values())), len(sums), block, block_hash, 0, 0.0)


def write(store: Store, found: PageReading) -> PageResult:
    return write_page(store.conn, found, {store.asset.name: store.asset}, float)


def marks_at(store: Store, marks: Marks) -> None:
    store.conn.execute("delete from eth_indexer_checkpoints")
    values = ["audio_transfers", marks.last_block, marks.confirmed]
    store.conn.execute("insert into eth_indexer_checkpoints (name, last_block, confirmed) values (%s, %s, %s)", values)


def test_a_value_that_one_row_cannot_hold_leaves_the_whole_page_unwritten(store: Store) -> None:
    store.conn.execute("alter table eth_wallet_balances alter balance type numeric(3, 0)")
    with pytest.raises(psycopg.DataError):
        write(store, page_reading({1: 5, 2: 1000}, 100))
    assert store.one("select count(*) from eth_wallet_balances") == (0,)


@pytest.mark.parametrize("reads_hex", [0, 1_000_000], ids=["as hex digits", "as decimals, for an older server"])
def test_a_sum_is_exact_however_it_comes_to_the_server(store: Store, reads_hex: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "READS_HEX", reads_hex)
    write(store, page_reading({1: 0, 2: 10, 3: 2**128 - 2}, 100))
    assert [store.row(number) for number in (1, 2, 3)] == [(0, None, 100), (10, None, 100), (2**128 - 2, None, 100)]


def test_the_oldest_rows_are_found_by_the_index_however_many_there_are(store: Store) -> None:
    store.conn.execute(
        "insert into eth_wallet_balances (wallet, updated_at)"
        " select '0x' || lpad(to_hex(n), 40, '0'), timestamp '2020-01-01' + n * interval '1 second' from generate_series(1, 20000) n"
    )
    store.conn.execute("analyze eth_wallet_balances")
    first = oldest_page(store.conn, store.asset, 100, None, 0, None)
    assert first is not None
    assert (first.count, first.wallets.split(",")[0], first.ties) == (100, key(1), 1)
    second = oldest_page(store.conn, store.asset, 100, first.last, first.ties, None)
    assert second is not None
    assert second.wallets.split(",")[0] == key(101)


WALLET = "0x" + 40 * "a"


@pytest.mark.parametrize("rows", [[WALLET[:-1], "1" + WALLET], [WALLET + "a", WALLET[1:]], [WALLET + "," + WALLET, ""], [WALLET, WALLET[:-1] + ","]])
def test_wallets_that_are_as_long_as_others_only_together_are_none(rows: list[str]) -> None:
    assert _are_wallets(Selected(f"{WALLET},{WALLET}", 2, datetime(2020, 1, 1), 1))
    assert not _are_wallets(Selected(",".join(rows), len(rows), datetime(2020, 1, 1), 1))


@contextmanager
def held_up(store: Store, attempt: Callable[[Store], Any]) -> Iterator[list[Any]]:
    """Inside, the attempt waits for wallet 1's row; afterwards it is done, and what it returned is in the list."""
    outcome: list[Any] = []

    def late() -> None:
        with psycopg.connect(store.url, autocommit=True) as conn:
            outcome.append(attempt(replace(store, conn=conn)))

    thread = threading.Thread(target=late)
    with psycopg.connect(store.url) as holder:
        holder.execute("select 1 from eth_wallet_balances where wallet = %s for update", [key(1)])
        thread.start()
        while not store.one("select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'")[0]:
            pass
        yield outcome
    thread.join()


@pytest.mark.parametrize("track", ["discover", "table"])
@pytest.mark.parametrize("kind", ["page", "reading", "repair"])
def test_a_write_that_waits_for_a_row_dates_it_by_its_reading(store: Store, kind: str, track: str) -> None:
    store = store.tracking(track)
    store.conn.execute("insert into eth_wallet_balances (wallet, read_block) select unnest(%s::text[]), 50", [[key(1), key(2)]])
    repair = store.repair(2, 40) if kind == "repair" else None
    read_at = time.perf_counter()

    def attempt(other: Store) -> object:
        if kind == "page":
            page = replace(page_reading({1: 7, 2: 8}, 110), read_at=read_at)
            return write_page(other.conn, page, {other.asset.name: other.asset}, time.perf_counter)
        readings = reading(1, 7, 110, read_at=read_at), reading(2, 8, 45 if repair else 110, read_at=read_at, repair=repair)
        batch = WriteBatch(readings, clock=time.perf_counter)
        return store_write(other.conn, batch, {other.asset.name: other.asset})

    with held_up(store, attempt):
        (seen,) = store.one("select clock_timestamp()::timestamp")
        while not store.one("select clock_timestamp()::timestamp > %s::timestamp + interval '0.2 s'", seen)[0]:
            pass
    assert store.row(2) == (8, None, 45 if repair else 110)
    dates = store.all("select updated_at from eth_wallet_balances")
    assert all(at <= seen for (at,) in dates)


@pytest.mark.parametrize("as_page", [True, False])
def test_a_write_that_waits_past_two_closings_is_done_anew(store: Store, as_page: bool) -> None:
    """Else its block, which is none of the remembered ones, would be below the checkpoint, where nothing compares it any more."""
    store.write(reading(1, 5, 90))
    marks_at(store, Marks(105, 100))

    def attempt(other: Store) -> object:
        return write(other, page_reading({1: 7}, 110, ORPHAN)) if as_page else other.write(reading(1, 7, 110, block_hash=ORPHAN))

    with held_up(store, attempt) as outcome:
        marks_at(store, Marks(118, 115))
    refused = outcome[0].updated is None if as_page else outcome[0].refused != ()
    assert refused
    assert store.row(1) == (5, None, 90)
    assert (110, ORPHAN) not in chain.remembered(store.conn, "ethereum", 0)


REFUSE = """
create function refuse() returns trigger language plpgsql as $$ begin raise exception 'not this row'; end $$;
create trigger refuse before update on eth_wallet_balances for each row execute function refuse();
"""


def test_a_row_that_takes_no_update_fails_a_repair_and_its_failure_without_one_does_not(store: Store) -> None:
    store.write(reading(1, 5, 105))
    found = store.repair(1, 100)
    store.conn.execute(REFUSE)
    touch = Touch("AUDIO", wallet(1), repair=found)
    with pytest.raises(psycopg.errors.RaiseException):
        store.write(reading(1, 5, 101, repair=found))
    with pytest.raises(psycopg.errors.RaiseException):
        store.write(failed=(Failed(touch, "cannot be written", 0),))
    with pytest.raises(psycopg.errors.RaiseException):
        store.write(covered=(Covered(Touch("AUDIO", wallet(1), 9, 9), 0),))
    store.write(failed=(Failed(replace(touch, repair=None), "cannot be written", 0),))
    assert store.one("select count(*) from trueup_set_aside") == (1,)


def test_events_of_an_older_branch_are_left_out(store: Store) -> None:
    marks_at(store, Marks(50, 40))
    chain.reorg(store.conn, "ethereum", [], 50, 0)
    old, new = Touch("AUDIO", wallet(1), 60, 60), Touch("AUDIO", wallet(2), 60, 60, event_branch=1)
    store.write(*(replace(reading(n, 5, 60), touch=touch, branch=1) for n, touch in ((1, old), (2, new))))
    assert (store.row(1), store.row(2)) == ((5, None, 60), (5, 60, 60))
    assert checkpoint.load(store.conn, "audio_transfers") == Marks(50, 40)


async def test_a_session_that_idled_in_a_transaction_for_too_long_may_try_again(store: Store) -> None:
    def idle(conn: Any) -> None:
        with conn.transaction():
            conn.execute("set local idle_in_transaction_session_timeout = '10ms'")
            conn.execute("select 1")
            while store.one("select 1 from pg_stat_activity where pid = %s", conn.info.backend_pid):
                threading.Event().wait(0.01)
            conn.execute("select 1")

    database = Database(store.url, "test")
    with pytest.raises(StoreDown):
        await database.run(idle)
    await database.aclose()
