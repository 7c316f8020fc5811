"""What is read of an asset's rows."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from actors.messages import Failed, Touch
from actors.store import holders, schema
from actors.store.names import parts
from tests.store.scene import Store, config_of, key, oldest, reading, wallet

EPOCH = datetime(1970, 1, 1)
USERS = """
select u.wallet from users u where u.wallet like '0x%'
union all
select a.wallet from associated_wallets a where a.chain = 'eth' and not a.is_delete  -- trailing words
"""


@pytest.fixture
def users(store: Store) -> Store:
    """An asset that tracks the first seed's users and their associated wallets."""
    store.conn.execute("create table users (wallet text)")
    store.conn.execute("create table associated_wallets (wallet text, chain text, is_delete boolean not null)")
    store.conn.execute(
        "insert into users values (%s), (%s), ('none'), (null), (%s)", [key(0xA1).upper().replace("X", "x"), key(2), key(0)]
    )
    store.conn.execute(
        "insert into associated_wallets values (%s, 'eth', false), (%s, 'eth', true), (%s, 'sol', false)",
        [key(3), key(4), key(5)],
    )
    return store.tracking(USERS)


def tracked(store: Store, *numbers: int) -> set[bytes]:
    found = holders.look_up(store.conn, store.asset, [wallet(n) for n in numbers])
    return {known for known, state in found.items() if state.tracked}


def test_discover_tracks_every_wallet(store: Store) -> None:
    assert tracked(store, 1, 2) == {wallet(1), wallet(2)}


def test_table_tracks_wallets_with_a_row(store: Store) -> None:
    store.write(reading(1, 10, 100))
    assert tracked(store.tracking("table"), 1, 2) == {wallet(1)}


def test_select_tracks_its_addresses_in_any_case(users: Store) -> None:
    assert tracked(users, 0xA1, 2, 3, 4, 5) == {wallet(0xA1), wallet(2), wallet(3)}


def test_select_is_sent_in_the_connections_own_encoding(store: Store) -> None:
    store.conn.execute("set client_encoding = 'LATIN1'")
    assert tracked(store.tracking(f"select '{key(1)}' where 'ñ' = chr(241)"), 1) == {wallet(1)}


def test_row_that_is_not_tracked_any_more_is_told_apart(users: Store) -> None:
    users.write(reading(4, 10, 100))
    found = holders.look_up(users.conn, users.asset, [wallet(4), wallet(5)])
    assert [(w, state.tracked) for w, state in found.items()] == [(wallet(4), False)]


def test_look_up_tells_how_the_row_stands(store: Store) -> None:
    store.write(reading(1, 10, 200, event=100))
    store.write(failed=(Failed(Touch("AUDIO", wallet(2)), "reverts", 0),))
    found = holders.look_up(store.conn, store.asset, [wallet(1), wallet(2), wallet(1)])
    (updated_at,) = store.one("select updated_at from eth_wallet_balances")
    assert found[wallet(1)] == holders.RowState(wallet(1), 200, 100, updated_at, True, False)
    assert found[wallet(2)] == holders.RowState(wallet(2), None, None, EPOCH, True, True)
    assert holders.look_up(store.conn, store.asset, []) == {}


def test_times_that_python_does_not_have_fail_nothing(store: Store) -> None:
    store.write(reading(1, 10, 105))
    store.conn.execute("update eth_wallet_balances set updated_at = 'infinity'")
    assert holders.look_up(store.conn, store.asset, [wallet(1)])[wallet(1)].updated_at == datetime(9999, 12, 31)
    (row,) = holders.above(store.conn, store.asset, 100, "", 10)
    assert row.updated_at == datetime(9999, 12, 31)


def age(store: Store, number: int, text: str) -> None:
    store.conn.execute("update eth_wallet_balances set updated_at = %s where wallet = %s", [text, key(number)])


def test_oldest_rows_come_first(store: Store) -> None:
    store.write(*(reading(n, 10, 100) for n in (1, 2, 3, 4)))
    age(store, 3, "1970-01-01")
    age(store, 2, "2020-01-01")
    age(store, 4, "1970-01-01")
    assert oldest(store, 3) == [wallet(2), wallet(3), wallet(4)]
    assert oldest(store, 2) == [wallet(3), wallet(4)]


def test_keys_that_are_no_wallet_starve_nobody(store: Store) -> None:
    bad = ["", "none", key(0), key(7).upper(), key(7) + "\n", key(7)[:-1], "0x" + "g" * 40]
    for text in bad:
        store.conn.execute(
            "insert into eth_wallet_balances (wallet, read_block, updated_at) values (%s, 9, '1970-01-01')", [text]
        )
    store.write(reading(1, 10, 100))
    assert oldest(store, 1) == [wallet(1)]
    assert [row.wallet for row in holders.above(store.conn, store.asset, 0, "", 10)] == [wallet(1)]


def test_placeholders_are_made_for_tracked_addresses_without_a_row(users: Store) -> None:
    users.write(reading(2, 10, 100))
    assert holders.insert_placeholders(users.conn, users.asset) == 2
    assert holders.insert_placeholders(users.conn, users.asset) == 0
    assert users.all("select wallet, balance, blocknumber, updated_at from eth_wallet_balances where balance = 0 order by 1") == [
        (key(3), 0, None, EPOCH),
        (key(0xA1), 0, None, EPOCH),
    ]
    assert oldest(users, 2) == [wallet(3), wallet(0xA1)]


def test_placeholders_are_made_a_bounded_number_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holders, "PLACEHOLDERS_AT_ONCE", 3)
    store = store.tracking("select '0x' || lpad(to_hex(n), 40, '0') from generate_series(1, 4) n;")
    assert [holders.insert_placeholders(store.conn, store.asset) for _ in range(3)] == [3, 1, 0]


@pytest.mark.parametrize("track", ["discover", "table"])
def test_no_placeholders_without_a_select(store: Store, track: str) -> None:
    store = store.tracking(track)
    assert holders.insert_placeholders(store.conn, store.asset) == 0


def test_rows_above_a_fork_come_in_pages_in_wallet_order(store: Store) -> None:
    store.write(*(reading(n, 10, 100 + n) for n in (1, 2, 3, 4)), reading(5, 10, 99))
    pages = [holders.above(store.conn, store.asset, 101, after, 2) for after in ("", key(3))]
    assert [[row.wallet for row in page] for page in pages] == [[wallet(2), wallet(3)], [wallet(4)]]


def test_rows_are_counted_or_estimated(store: Store) -> None:
    store.write(reading(1, 10, 100))
    assert holders.count(store.conn, store.asset) == 1
    store.conn.execute("update pg_class set reltuples = 3150000 where relname = 'eth_wallet_balances'")
    assert holders.count(store.conn, store.asset) == 3150000


@pytest.mark.parametrize("name", ["audit.balances", '"Odd ""name"', '"Audit Log"."a.b; drop table users --"', "brace{0}"])
def test_any_table_name_serves(store: Store, name: str) -> None:
    store.asset = replace(store.asset, table=name, track="select wallet from eth_wallet_balances where wallet like '%1'")
    store.conn.execute("insert into eth_wallet_balances (wallet) values (%s)", [key(1)])
    schema.init(store.conn, config_of(store.asset))
    schema.check(store.conn, config_of(store.asset))
    assert holders.insert_placeholders(store.conn, store.asset) == 1
    store.write(reading(1, 10, 100, event=100))
    store.write(failed=(Failed(Touch("AUDIO", wallet(9)), "reverts", 0),))
    found = holders.look_up(store.conn, store.asset, [wallet(1), wallet(9)])
    assert (found[wallet(1)].read_block, list(found)) == (100, [wallet(1)])
    assert oldest(store, 5) == [wallet(1)]
    assert holders.count(store.conn, store.asset) == 1
    assert store.one("select count(*) from eth_wallet_balances where read_block is not null") == (0,)


@pytest.mark.parametrize("name", ["", ".", "a.", ".a", 'a"b', '"a', "a.b.c.d", '""', "a\0", "per%cent"])
def test_what_is_no_table_name_is_refused(name: str) -> None:
    with pytest.raises(Exception, match="table: expected a name"):
        parts(name)
