"""What the audit asks of Postgres, and keeps in it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime
from random import Random

import pytest

from actors.audit.sample import places
from actors.audit.verdict import Drift, Row
from actors.auditor import touch_of
from actors.config.keys import AuditConfig
from actors.errors import ConfigError
from actors.messages import Failed, Touch
from actors.store import audit, chain, holders, schema
from actors.store.pages import oldest_page
from actors.store.postgres import connect
from tests.store.scene import AUDIO, HASH, Store, config_of, key, reading, wallet

ON = replace(config_of(AUDIO), audit=AuditConfig(60))


@pytest.fixture
def on(store: Store) -> Store:
    """With the audit's own table."""
    schema.init(store.conn, ON)
    return store


def fill(store: Store, count: int, first: int = 1) -> None:
    store.conn.execute(
        "insert into eth_wallet_balances (wallet, balance, read_block) select '0x' || lpad(to_hex(n), 40, '0'), n, 5 from generate_series(%s::int, %s::int) n",
        [first, first + count - 1],
    )


def drift(number: int, at: str = "2026-01-02 03:04:05", balance: str = "1") -> Drift:
    return Drift(Row(key(number), balance, 7, at), 2, "0xaa", ("http://a", "http://b"), 3, "not tracked")


def test_the_table_is_made_only_where_the_audit_is_on(store: Store) -> None:
    schema.check(store.conn, config_of(AUDIO))
    with pytest.raises(ConfigError, match="trueup_audit does not exist: run `trueup init`"):
        schema.check(store.conn, ON)
    assert schema.init(store.conn, ON) == ["table trueup_audit: created"]
    assert schema.init(store.conn, ON) == []
    schema.check(store.conn, ON)


def test_pages_pass_over_every_wallet_once_and_what_is_none(store: Store) -> None:
    fill(store, 25)
    store.conn.execute("insert into eth_wallet_balances (wallet) values ('nobody'), ('0xABCD'), (%s)", [key(0)])
    found, after = list[str](), ""
    while rows := audit.page(store.conn, store.asset, after, 10).rows:
        found += [row.wallet for row in rows]
        after = rows[-1].wallet
    assert found == [key(number) for number in range(1, 26)]


def test_a_row_says_all_that_it_is_told_by(store: Store) -> None:
    store.write(reading(1, 10, 7))
    store.conn.execute("update eth_wallet_balances set balance = 10.50, updated_at = '2026-01-02 03:04:05.678'")
    store.conn.execute("insert into eth_wallet_balances (wallet, balance, updated_at) values (%s, 'NaN', 'infinity')", [key(2)])
    store.write(failed=(Failed(Touch("AUDIO", wallet(2)), "reverted", 0),))
    rows = audit.rows_of(store.conn, store.asset, [key(1), key(2), key(3)]).rows
    assert sorted(rows, key=lambda row: row.wallet) == [
        Row(key(1), "10.5", 7, "2026-01-02 03:04:05.678"),
        Row(key(2), "NaN", None, "9999-12-31 00:00:00", aside=True),
    ]


def test_all_places_hold_all_rows_once(store: Store) -> None:
    fill(store, 500)
    store.conn.execute("delete from eth_wallet_balances where balance % 7 = 0")
    store.conn.execute("update eth_wallet_balances set read_block = 6 where balance % 3 = 0")
    found = audit.at_places(store.conn, store.asset, places(*audit.extent(store.conn, store.asset), 10**6, Random(1))).rows
    assert sorted(row.wallet for row in found) == [key(n) for n in range(1, 501) if n % 7]


def test_each_row_is_as_likely_as_any_other_whatever_its_wallet_or_its_page(store: Store) -> None:
    """Wide gaps between wallets, pages half empty, rows in other places than they were put into."""
    fill(store, 300)
    fill(store, 5, first=2**30)
    store.conn.execute("delete from eth_wallet_balances where balance between 60 and 110")
    store.conn.execute("update eth_wallet_balances set read_block = 6 where balance < 40")
    pages, size = audit.extent(store.conn, store.asset)
    drawn, rng, times = Counter[str](), Random(3), 600
    for _ in range(times):
        drawn.update(row.wallet for row in audit.at_places(store.conn, store.asset, places(pages, size, 291, rng)).rows)
    expected = times / pages
    rows = 300 - 51 + 5
    assert len(drawn) == rows
    assert sum((count - expected) ** 2 / expected for count in drawn.values()) < rows + 5 * (2 * rows) ** 0.5


def test_the_rows_of_each_part_of_a_partitioned_table_are_drawn(store: Store) -> None:
    store.conn.execute("drop table eth_wallet_balances")
    store.conn.execute(
        "create table eth_wallet_balances (wallet text primary key, balance numeric not null default 0, blocknumber bigint, "
        "updated_at timestamp not null default now(), created_at timestamp not null default now(), read_block bigint) partition by hash (wallet)"
    )
    for part in range(3):
        store.conn.execute(f"create table part_{part} partition of eth_wallet_balances for values with (modulus 3, remainder {part})".encode())
    fill(store, 200)
    found = audit.at_places(store.conn, store.asset, places(*audit.extent(store.conn, store.asset), 10**6, Random(1))).rows
    assert sorted(row.wallet for row in found) == [key(n) for n in range(1, 201)]


def test_about_so_many_rows_are_drawn_of_a_table_without_pages(store: Store) -> None:
    fill(store, 2000)
    assert 100 < len(audit.bernoulli(store.conn, store.asset, 200).rows) < 300


def test_a_table_without_pages_is_read_within_its_time(store: Store) -> None:
    fill(store, 20)
    with connect(store.url) as other, other.transaction():
        other.execute("lock table eth_wallet_balances in access exclusive mode")
        assert audit.bernoulli_within(store.conn, store.asset, 20, 100) is None
    found = audit.bernoulli_within(store.conn, store.asset, 20, 60_000)
    assert found is not None
    assert len(found.rows) == 20


def test_a_second_look_says_how_everything_stands(store: Store) -> None:
    store.write(reading(1, 10, 7), reading(2, 20, 8))
    chain.remember(store.conn, "ethereum", [(7, bytes(31) + b"\x02")])
    chain.reorg(store.conn, "ethereum", [], 5, 0)
    now = audit.look_again(store.conn, store.tracking(f"select '{key(1)}'").asset, [key(1), key(2), key(3)], [7, 9], [])
    assert sorted(now.rows) == [key(1), key(2)]
    assert now.branch == 1
    assert now.remembered == {7: {"0x" + HASH.hex(), "0x" + bytes(31).hex() + "02"}}
    assert now.notes == {key(1): "", key(2): "not tracked"}
    assert now.newest == 8
    store.conn.execute("insert into eth_indexer_checkpoints (name, last_block, confirmed) values ('a', 9, null), ('b', 10, 11), ('c', 99, 99), ('d', null, null)")
    assert audit.look_again(store.conn, store.asset, [], [], ["a", "b", "d"]).newest == 11
    store.conn.execute("truncate trueup_blocks")
    assert audit.look_again(store.conn, store.asset, [], [], []).newest == 0


def test_evidence_is_kept_once_until_it_is_concluded(on: Store) -> None:
    audit.record(on.conn, on.asset, [drift(1), drift(2)])
    audit.record(on.conn, on.asset, [drift(1)])
    assert audit.unmended(on.conn, on.asset) == [key(1), key(2)]
    assert on.all("select wallet, balance, read_block, chain_balance, block_hash, endpoints, branch, note, outcome from trueup_audit order by id")[0] == (
        *(key(1), 1, 7, 2, "0xaa", "http://a, http://b", 3, "not tracked", None),
    )
    assert audit.conclude(on.conn, on.asset, [(key(1), audit.MENDED)]) == 1
    assert audit.conclude(on.conn, on.asset, [(key(1), audit.MENDED), (key(2), "blocked")]) == 0
    assert audit.unmended(on.conn, on.asset) == []


def test_a_row_that_is_found_again_as_it_was_is_open_again(on: Store) -> None:
    audit.record(on.conn, on.asset, [drift(1)])
    audit.conclude(on.conn, on.asset, [(key(1), audit.MENDED)])
    audit.record(on.conn, on.asset, [drift(1, balance="3")])
    assert audit.unmended(on.conn, on.asset) == [key(1)]
    assert on.all("select balance, outcome from trueup_audit") == [(3, None)]


def test_the_newest_evidence_is_kept_and_no_more(on: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "KEPT", 3)
    for second in range(6):
        audit.record(on.conn, on.asset, [drift(1, f"2026-01-02 03:04:0{second}")])
    assert [str(at)[-1] for (at,) in on.all("select updated_at from trueup_audit order by id")] == ["3", "4", "5"]


@pytest.mark.parametrize("style", ["SQL, DMY", "German", "Postgres, MDY"])
def test_times_are_read_whatever_date_style_the_database_has(store: Store, style: str) -> None:
    """Such a time came from the row to the mend's `fromisoformat`, and ended the service."""
    name = store.one("select quote_ident(current_database())")[0]
    store.conn.execute(f"alter database {name} set datestyle = '{style}'".encode())
    with connect(store.url) as conn:
        asset = store.asset
        conn.execute("insert into eth_wallet_balances (wallet, read_block, updated_at) values (%s, 7, '2026-02-13 03:04:05.678')", [key(1)])
        (row,) = audit.rows_of(conn, asset, [key(1)]).rows
        at = datetime(2026, 2, 13, 3, 4, 5, 678000)
        repair = touch_of("AUDIO", Drift(row, None, None, ("http://a",), 0)).repair
        assert repair is not None
        assert repair.was_updated_at == at
        assert [state.updated_at for state in holders.above(conn, asset, 0, "", 10)] == [at]
        assert (oldest := oldest_page(conn, asset, 10, None, 0, None)) is not None
        assert oldest.last == at
