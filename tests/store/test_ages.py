"""The ages of rows on a real Postgres: exact on a small table, bounded on a large one, and never in the way."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import psycopg
import pytest

from actors.age.ages import DAY, HOUR, QUANTILES, Ages
from actors.config import AssetConfig
from actors.store import ages, schema
from actors.store.postgres import Conn, connect
from tests.store.scene import AUDIO, Store, config_of, key

PUT = "insert into eth_wallet_balances (wallet, balance, updated_at) values (%s, 0, now()::timestamp - make_interval(secs => %s))"
PATIENT_MS = 50_000  # another than the session's own, which is a minute


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found is in question here, and not whether a busy machine finds it in two seconds."""
    monkeypatch.setattr(ages, "STATEMENT_MS", PATIENT_MS)


def put(store: Store, *ages_secs: float, first: int = 1) -> None:
    """Rows of these ages."""
    for number, age in enumerate(ages_secs, first):
        store.conn.execute(PUT.encode(), [key(number), age])


def measure(conn: Conn, asset: AssetConfig, **how: int) -> Ages:
    found = ages.measure(conn, asset, **how)
    assert found is not None
    return found


def test_an_empty_table_has_no_ages(store: Store) -> None:
    found = measure(store.conn, store.asset)
    assert (found.rows, found.placeholders, found.max_secs, found.counts, found.sampled) == (0, 0, None, (), False)


def test_a_small_table_is_counted_whole(store: Store) -> None:
    put(store, *range(100, 1100, 10))
    found = measure(store.conn, store.asset)
    assert (found.rows, found.sampled) == (100, False)
    assert found.max_secs == pytest.approx(1090, abs=5)
    assert found.quantile(0.5) == pytest.approx(590, rel=0.02)
    assert found.quantile(0.99) == pytest.approx(1080, rel=0.02)


def test_placeholders_are_counted_apart_and_have_no_age(store: Store) -> None:
    put(store, 60, 120)
    store.conn.execute("insert into eth_wallet_balances (wallet, updated_at) values (%s, '1970-01-01'), (%s, '-infinity')", [key(8), key(9)])
    found = measure(store.conn, store.asset)
    assert (found.rows, found.placeholders) == (2, 2)
    assert found.max_secs == pytest.approx(120, abs=5)


def test_what_is_set_aside_or_holds_no_wallet_is_never_the_oldest(store: Store) -> None:
    put(store, 9000, 60)
    store.conn.execute("insert into eth_wallet_balances (wallet, updated_at) values ('nobody', '2001-01-01')")
    store.conn.execute(
        "insert into trueup_set_aside (table_name, row_key, error, attempts, next_attempt) values (%s, %s, 'x', 1, now())",
        [store.asset.table, key(1)],
    )
    assert measure(store.conn, store.asset).max_secs == pytest.approx(60, abs=5)


STRANGERS = """
insert into eth_wallet_balances (wallet, updated_at)
select '0xABC' || lpad(i::text, 37, '0'), now()::timestamp - make_interval(secs => {}) from generate_series(1, {}) i
"""


@pytest.mark.parametrize("age", ["90000 - i", "90000", "90000 - i / 700 * 600"])
def test_the_oldest_wallet_is_found_behind_many_rows_that_hold_none(store: Store, age: str) -> None:
    store.conn.execute(STRANGERS.format(age, 5000).encode())
    put(store, 9000, 60)
    found = measure(store.conn, store.asset)
    assert found.max_secs == pytest.approx(9000, abs=5)
    assert (found.rows, sum(rows for _, rows in found.counts)) == (2, 2)


def test_where_such_rows_take_up_the_time_the_counts_of_wallets_tell_the_oldest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ages, "time", SimpleNamespace(monotonic=iter((0.0, 1.0, PATIENT_MS / 1000 + 1)).__next__))
    store.conn.execute(STRANGERS.format("90000", 5000).encode())
    put(store, 9000, 60)
    found = measure(store.conn, store.asset)
    assert found.max_secs is None
    assert found.oldest_secs == pytest.approx(9000, rel=0.02)


def test_a_sample_counts_no_row_that_holds_no_wallet(store: Store) -> None:
    store.conn.execute(STRANGERS.format("90000", 10_000).encode())
    store.conn.execute("insert into eth_wallet_balances (wallet) select '0x' || lpad(to_hex(i), 40, '0') from generate_series(1, 10000) i")
    store.conn.execute("analyze eth_wallet_balances")
    found = measure(store.conn, store.asset, pages=100)
    assert found.sampled
    assert found.rows == pytest.approx(10_000, rel=0.5)  # those of one page are all of one kind
    assert found.quantile(1) == pytest.approx(0, abs=60)


@pytest.mark.parametrize("stored", ["infinity", "9999-12-31", "2200-01-01"])
def test_a_time_that_has_not_come_is_no_negative_age(store: Store, stored: str) -> None:
    store.conn.execute("insert into eth_wallet_balances (wallet, updated_at) values (%s, %s)", [key(1), stored])
    found = measure(store.conn, store.asset)
    assert (found.rows, found.max_secs) == (1, 0.0)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Pacific/Kiritimati", "America/St_Johns"])
def test_an_age_is_a_difference_of_moments_in_any_zone_and_over_a_change_of_clocks(store: Store, zone: str) -> None:
    name = psycopg.conninfo.conninfo_to_dict(store.url)["dbname"]
    store.conn.execute(f"alter database {name} set timezone = '{zone}'".encode())
    with connect(store.url) as conn:
        for days in (1, 91, 182, 273):  # a change of clocks lies between some of these and now, where there is one
            conn.execute("delete from eth_wallet_balances")
            put_at = "insert into eth_wallet_balances (wallet, updated_at) values (%s, (now() - make_interval(secs => %s))::timestamp)"
            conn.execute(put_at, [key(1), days * DAY])
            assert measure(conn, store.asset).max_secs == pytest.approx(days * DAY, abs=5)


def test_a_partitioned_table_is_measured_as_one(store: Store) -> None:
    asset = replace(AUDIO, table="parted")
    store.conn.execute(
        """
        create table parted (wallet text primary key, balance numeric not null default 0, blocknumber bigint,
            updated_at timestamp not null default current_timestamp, created_at timestamp not null default current_timestamp,
            read_block bigint) partition by hash (wallet);
        create table parted_0 partition of parted for values with (modulus 2, remainder 0);
        create table parted_1 partition of parted for values with (modulus 2, remainder 1);
        """
    )
    schema.init(store.conn, config_of(asset))
    store.conn.execute(
        "insert into parted (wallet, updated_at) select '0x' || lpad(to_hex(i), 40, '0'), now()::timestamp - make_interval(secs => i)"
        " from generate_series(1, 20000) i"
    )
    store.conn.execute("analyze parted")
    exact, sampled = measure(store.conn, asset), measure(store.conn, asset, pages=50)
    assert (exact.rows, exact.sampled, sampled.sampled) == (20_000, False, True)
    assert sampled.rows == pytest.approx(20_000, rel=0.05)
    assert exact.max_secs == pytest.approx(20_000, abs=5)
    assert sampled.max_secs == pytest.approx(20_000, abs=5)


def test_a_locked_table_is_not_waited_for_and_takes_nothing_with_it(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ages, "STATEMENT_MS", 100)
    put(store, 60)
    with connect(store.url) as other, other.transaction():
        other.execute("lock table eth_wallet_balances in access exclusive mode")
        assert ages.measure(store.conn, store.asset) is None
    monkeypatch.setattr(ages, "STATEMENT_MS", PATIENT_MS)
    assert measure(store.conn, store.asset).rows == 1
    assert store.one("show statement_timeout") == ("1min",)


# Rows as a sweep leaves them: those of one page were read together, so that a page says little more than one row does.
MILLION = """
insert into eth_wallet_balances (wallet, balance, read_block, updated_at)
select '0x' || lpad(to_hex(i), 40, '0'), i, 1, now()::timestamp - make_interval(secs => 86400.0 * i / 1000000)
from generate_series(1, 1000000) i
"""


@pytest.mark.long
@pytest.mark.timeout(300)
def test_a_million_rows_are_sampled_to_a_few_percent(store: Store) -> None:
    store.conn.execute("set statement_timeout = 0")
    store.conn.execute(MILLION)
    store.conn.execute("vacuum analyze eth_wallet_balances")
    wrong = {share: 0.0 for share in QUANTILES}
    for _ in range(10):
        found = measure(store.conn, store.asset)
        for share in QUANTILES:
            wrong[share] = max(wrong[share], abs((found.quantile(share) or 0.0) / (share * DAY) - 1))
        assert found.sampled
        assert found.rows == pytest.approx(1_000_000, rel=0.01)
        assert found.max_secs == pytest.approx(DAY, abs=HOUR)
    # Of 2,000 pages in 15,000, each as good as one row: four standard deviations of the rank, being the worst of ten, and half of a bucket.
    assert wrong[0.5] < 0.1
    assert wrong[0.9] < 0.035
    assert wrong[0.99] < 0.02
