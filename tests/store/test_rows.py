"""The rules by which a row moves."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest

from actors.messages import Covered, Touch
from actors.store.postgres import Database, connect
from tests.store.scene import Store, key, reading, wallet


def test_event_with_a_block_stores_it(store: Store) -> None:
    store.write(reading(1, 10, 100, event=100))
    assert store.row(1) == (10, 100, 100)


def test_sweep_changes_the_balance_and_keeps_the_block(store: Store) -> None:
    store.write(reading(1, 10, 100, event=100))
    store.write(reading(1, 11, 120))
    assert store.row(1) == (11, 100, 120)


def test_event_with_a_lower_block_does_not_take_the_block_back(store: Store) -> None:
    store.write(reading(1, 10, 100, event=100))
    store.write(reading(1, 12, 130, event=90))
    assert store.row(1) == (12, 100, 130)


def test_event_with_a_higher_block_advances_it(store: Store) -> None:
    store.write(reading(1, 10, 100, event=100))
    store.write(reading(1, 13, 110, event=110))
    assert store.row(1) == (13, 110, 110)


def test_event_with_a_higher_block_but_an_older_reading_moves_only_the_blocknumber(store: Store) -> None:
    store.write(reading(1, 10, 200, event=100))
    result = store.write(reading(1, 99, 150, event=140))
    assert store.row(1) == (10, 140, 200)
    assert result.updated == frozenset()


def test_cold_start_by_a_sweep_stores_null(store: Store) -> None:
    store.write(reading(1, 10, 100))
    assert store.row(1) == (10, None, 100)


def test_reading_of_the_same_block_is_stored_again(store: Store) -> None:
    store.write(reading(1, 10, 100))
    result = store.write(reading(1, 10, 100))
    assert result.updated == {("AUDIO", wallet(1))}


def test_row_that_another_program_wrote_takes_any_reading(store: Store) -> None:
    store.conn.execute("insert into eth_wallet_balances (wallet, balance, blocknumber) values (%s, 5, 900)", [key(1)])
    store.write(reading(1, 6, 100))
    assert store.row(1) == (6, 900, 100)


def test_balances_are_exact_to_the_last_digit(store: Store) -> None:
    store.write(reading(1, 2**256 - 2, 100), reading(2, 0, 100))
    assert store.one("select balance::text from eth_wallet_balances where wallet = %s", key(1)) == (str(2**256 - 2),)
    assert store.row(2) == (Decimal(0), None, 100)


@pytest.mark.parametrize("zone", ["Asia/Kathmandu", "America/St_Johns"])
async def test_updated_at_is_in_the_zone_of_the_database_whatever_pgtz_says(
    store: Store, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.conn.execute(
        f"alter database {psycopg.conninfo.conninfo_to_dict(store.url)['dbname']} set timezone = '{zone}'".encode()
    )
    monkeypatch.setenv("PGTZ", "Pacific/Kiritimati")
    database = Database(store.url, "writer")

    def shown(conn: psycopg.Connection[tuple[object, ...]]) -> object:
        Store(conn, store.url).write(reading(1, 10, 100, read_at=40.0), now=100.0)
        return conn.execute(
            "select clock_timestamp() at time zone %s - updated_at between interval '60 s' and interval '90 s' "
            "from eth_wallet_balances",
            [zone],
        ).fetchone()

    assert await database.run(shown) == (True,)
    await database.aclose()


def test_updated_at_moves_with_the_value_only(store: Store) -> None:
    store.write(reading(1, 10, 200))
    before = store.one("select updated_at from eth_wallet_balances")
    store.write(reading(1, 9, 150, event=150))
    assert store.one("select updated_at from eth_wallet_balances") == before
    store.write(reading(1, 9, 201))
    assert store.one("select updated_at from eth_wallet_balances") > before


def test_clock_that_ran_ahead_does_not_date_a_row_into_the_future(store: Store) -> None:
    store.write(reading(1, 10, 100, read_at=500.0), now=100.0)
    assert store.one("select updated_at <= clock_timestamp()::timestamp from eth_wallet_balances") == (True,)


def test_under_table_no_row_is_made(store: Store) -> None:
    store = store.tracking("table")
    store.write(reading(1, 10, 100))
    assert store.row(1) is None


def test_under_table_rows_that_exist_follow_the_same_rules(store: Store) -> None:
    store.write(reading(1, 10, 100, event=100))
    store = store.tracking("table")
    assert store.write(reading(1, 11, 120)).updated == {("AUDIO", wallet(1))}
    assert store.write(reading(1, 99, 110, event=110)).updated == frozenset()
    assert store.row(1) == (11, 110, 120)


def test_repair_lowers_the_row_that_it_found(store: Store) -> None:
    store.write(reading(1, 10, 105, event=105))
    result = store.write(reading(1, 7, 103, repair=store.repair(1, fork=100)))
    assert store.row(1) == (7, 100, 103)
    assert result.updated == {("AUDIO", wallet(1))}


def test_repair_keeps_a_blocknumber_below_the_fork_and_one_that_is_null(store: Store) -> None:
    store.write(reading(1, 10, 105, event=90), reading(2, 10, 105))
    store.write(reading(1, 7, 103, repair=store.repair(1, 100)), reading(2, 8, 103, repair=store.repair(2, 100)))
    assert store.row(1) == (7, 90, 103)
    assert store.row(2) == (8, None, 103)


def test_repair_leaves_a_row_that_was_read_since(store: Store) -> None:
    store.write(reading(1, 10, 105))
    found = store.repair(1, fork=100)
    store.write(reading(1, 11, 105))
    assert store.write(reading(1, 7, 103, repair=found)).updated == frozenset()
    assert store.row(1) == (11, None, 105)


def test_repair_by_a_newer_block_needs_nothing_else(store: Store) -> None:
    store.write(reading(1, 10, 105, event=105))
    found = store.repair(1, fork=100)
    store.write(reading(1, 11, 106))
    store.write(reading(1, 12, 107, event=107, repair=found))
    assert store.row(1) == (12, 107, 107)


def test_repair_of_a_row_that_is_gone_is_a_first_insert(store: Store) -> None:
    store.write(reading(1, 10, 105))
    found = store.repair(1, fork=100)
    store.conn.execute("delete from eth_wallet_balances")
    store.write(reading(1, 7, 103, repair=found))
    assert store.row(1) == (7, None, 103)


def test_covered_touch_moves_only_the_blocknumber_and_only_up(store: Store) -> None:
    store.write(reading(1, 10, 200, event=100), reading(2, 10, 200, event=180), reading(3, 10, 200))
    covered = tuple(Covered(Touch("AUDIO", wallet(n), 150, 150), 0) for n in (3, 2, 1, 1))
    sweep = Covered(Touch("AUDIO", wallet(1)), 0)
    store.write(covered=(*covered, sweep))
    assert [store.row(n) for n in (1, 2, 3)] == [(10, 150, 200), (10, 180, 200), (10, 150, 200)]


def test_many_rows_go_in_one_statement(store: Store) -> None:
    result = store.write(*(reading(n, n, 100, event=100) for n in range(3000, 0, -1)))
    assert len(result.updated) == 3000
    assert store.one("select count(*), sum(balance) from eth_wallet_balances") == (3000, sum(range(3001)))


def test_another_writers_rows_are_not_touched(store: Store) -> None:
    store.write(reading(1, 10, 100))
    with connect(store.url) as other, other.transaction():
        other.execute("select from eth_wallet_balances where wallet = %s for update", [key(1)])
        store.write(reading(2, 20, 100))
    assert store.row(2) == (20, None, 100)


def test_assets_of_one_batch_go_into_their_own_tables(store: Store) -> None:
    second = replace(store.asset, name="B", table="other_balances", checkpoint="b")
    store.conn.execute("create table other_balances (like eth_wallet_balances including all)")
    store.others["B"] = second
    other = reading(1, 20, 100)
    result = store.write(reading(1, 10, 100), replace(other, touch=replace(other.touch, asset="B")))
    assert store.one("select balance from other_balances") == (20,)
    assert store.row(1) == (10, None, 100)
    assert result.updated == {("AUDIO", wallet(1)), ("B", wallet(1))}
