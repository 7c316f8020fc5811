"""Leases on ledger rows, what is written of them, and where their addresses are found; on a real Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from actors.claim import Address, LedgerRow
from actors.config import ChainConfig, Config, DatabaseConfig, LedgerConfig
from actors.errors import ConfigError
from actors.store import ledger, ledger_write, schema
from actors.store.ledger_write import Balance, Fault
from actors.store.postgres import Conn, connect
from tests.ledger_scene import LOOKUP, SEED, UPSTREAM, Books, a_wallet

TOKEN = "0x" + "c1" * 20


def config_of(url: str, *lookups: str) -> Config:
    names = lookups or ("user_wallet_addresses",)
    chain = ChainConfig("town", 31337, ("http://127.0.0.1:1",))
    return Config(DatabaseConfig(url), (chain,), (), ledger=LedgerConfig(True, names))


@pytest.fixture
def books(database_url: str) -> Books:
    with connect(database_url) as conn:
        conn.execute(SEED)
        schema.init(conn, config_of(database_url))
    return Books(database_url)


@pytest.fixture
def conn(books: Books) -> Iterator[Conn]:
    with connect(books.url) as conn:
        yield conn


def claim(conn: Conn, chain: str, by: str = "me", limit: int = 50, lease: float = 60, *lookups: str) -> list[LedgerRow]:
    own = ledger.tables(conn, lookups or ("user_wallet_addresses",))
    return ledger.claim(conn, own, chain, by, lease, limit)


def balance(row: str, raw: int = 5, by: str = "me", human: str = "0.5") -> Balance:
    return Balance(row, by, "", "", str(raw), human, 0.0)


def write(conn: Conn, *balances: Balance) -> set[str]:
    """Balances of what their rows name now."""
    named = {str(row): (str(wallet), str(asset)) for row, wallet, asset in conn.execute("SELECT id, wallet_id, asset_on_chain_id FROM wallet_balances")}
    own = [replace(each, wallet_id=named[each.id][0], asset_id=named[each.id][1]) for each in balances]
    return ledger_write.write(conn, "uuid", own, lambda: 1.0)


def one_row(books: Books, **columns: Any) -> tuple[str, str]:
    """A chain, and a row on it."""
    chain = books.chain()
    return chain, books.row(books.address(a_wallet(7), chain), books.asset(chain, TOKEN), **columns)


def test_rows_are_claimed_oldest_first_and_those_that_were_never_checked_before_all(books: Books, conn: Conn) -> None:
    chain = books.chain()
    wallet, asset = books.address(a_wallet(7), chain), books.asset(chain, TOKEN)
    at = {name: books.row(wallet, asset, last_checked=name) for name in ("2026-01-03", "2026-01-01", "2026-01-02")}
    never = books.row(wallet, asset)
    found = [row.id for row in claim(conn, chain, limit=3)]
    assert found == [never, at["2026-01-01"], at["2026-01-02"]]
    assert books.of(at["2026-01-03"], "locked_by", "processing_status") == (None, "idle")
    assert books.of(never, "locked_by", "processing_status") == ("me", "processing")


@pytest.mark.parametrize("status", ["idle", "processing", "error", None])
def test_what_the_status_says_does_not_matter_only_a_live_lease_does(books: Books, conn: Conn, status: str | None) -> None:
    chain, row = one_row(books, processing_status=status, locked_by="dead", locked_until="2026-01-01")
    assert [one.id for one in claim(conn, chain)] == [row]
    assert claim(conn, chain, "other") == []


def test_rows_of_inactive_chains_and_assets_and_those_set_aside_are_not_claimed(books: Books, conn: Conn) -> None:
    chain, gone = books.chain(), books.chain("gone", active=False)
    wallet = books.address(a_wallet(7), chain)
    asset = books.asset(chain, TOKEN)
    books.row(wallet, books.asset(chain, TOKEN, active=False))
    books.row(wallet, books.asset(gone, TOKEN))
    bad, good = books.row(wallet, asset), books.row(wallet, asset)
    claim(conn, chain)
    ledger_write.fail(conn, "uuid", [Fault(bad, "me", "no")])
    write(conn, balance(good))
    assert [row.id for row in claim(conn, chain)] == [good]
    assert claim(conn, gone) == []
    books.query("UPDATE trueup_set_aside SET next_attempt = now()")
    assert [row.id for row in claim(conn, chain)] == [bad]
    assert [row.name for row in ledger.chains(conn)] == ["town"]


def test_a_claim_passes_over_rows_that_somebody_else_is_just_claiming(books: Books, conn: Conn) -> None:
    chain = books.chain()
    wallet, asset = books.address(a_wallet(7), chain), books.asset(chain, TOKEN)
    rows = {books.row(wallet, asset) for _ in range(20)}
    with connect(books.url) as other, other.transaction():
        first = {row.id for row in claim(other, chain, "other", 8)}
        second = {row.id for row in claim(conn, chain, "me", 50)}
    assert first | second == rows
    assert not first & second


def test_a_written_row_is_free_and_says_what_was_done(books: Books, conn: Conn) -> None:
    digits = 2**256 - 1
    chain, row = one_row(books, sync_count=4, error_count=3, last_error="old", last_error_at="2026-01-01")
    claim(conn, chain)
    text = str(digits)
    assert write(conn, balance(row, digits, human=f"{text[:-18]}.{text[-18:]}")) == {row}
    assert books.of(row, "on_chain_balance_raw", "on_chain_balance_human::text") == (text, f"{text[:-18]}.{text[-18:]}")
    assert books.of(row, "sync_count", "error_count", "last_error", "last_error_at") == (5, 0, None, None)
    assert books.of(row, "processing_status", "locked_by", "locked_until") == ("idle", None, None)
    fresh = "last_checked > now() - interval '1 min'", "last_processed_at > last_checked", "updated_at >= last_processed_at"
    assert books.of(row, *fresh) == (True, True, True)
    assert books.of(row, "extract(epoch from last_processed_at - last_checked)::int") == (1,)


def test_whoever_lost_its_lease_writes_nothing_over_its_successor(books: Books, conn: Conn) -> None:
    chain, row = one_row(books)
    claim(conn, chain, "former", lease=-1)
    claim(conn, chain, "successor")
    assert write(conn, balance(row, 1, "former")) == set()
    ledger_write.fail(conn, "uuid", [Fault(row, "former", "no")])
    assert ledger_write.free(conn, "uuid", [(row, "former")]) == 0
    assert ledger.renew(conn, "uuid", [row], "former", 60) == 0
    assert books.of(row, "locked_by", "on_chain_balance_raw", "error_count") == ("successor", None, 0)
    assert books.aside() == {}
    assert write(conn, balance(row, 2, "successor")) == {row}
    assert write(conn, balance(row, 1, "former")) == set()
    assert books.of(row, "on_chain_balance_raw") == ("2",)


def test_a_lease_is_renewed_for_as_long_as_it_is_held(books: Books, conn: Conn) -> None:
    chain, row = one_row(books)
    claim(conn, chain, lease=1)
    assert ledger.renew(conn, "uuid", [row], "me", 600) == 1
    assert books.of(row, "locked_until > now() + interval '5 min'") == (True,)


def test_a_failure_is_counted_frees_the_row_and_sets_it_aside_for_twice_as_long_each_time(books: Books, conn: Conn) -> None:
    chain, row = one_row(books, on_chain_balance_raw="9")
    for attempt in (1, 2, 3):
        claim(conn, chain)
        ledger_write.fail(conn, "uuid", [Fault(row, "me", f"no {attempt}")])
        assert books.of(row, "last_error", "error_count", "locked_by", "on_chain_balance_raw") == (f"no {attempt}", attempt, None, "9")
        assert books.aside() == {row: (f"no {attempt}", attempt)}
        ((secs,),) = books.query("SELECT extract(epoch from next_attempt - now())::int FROM trueup_set_aside")
        assert secs in (10 * 2 ** (attempt - 1), 10 * 2 ** (attempt - 1) - 1)
        books.query("UPDATE trueup_set_aside SET next_attempt = now()")
    claim(conn, chain)
    write(conn, balance(row))
    assert books.aside() == {}
    assert books.of(row, "last_error", "error_count") == (None, 0)


def test_a_row_that_turned_inactive_while_it_was_held_is_only_freed(books: Books, conn: Conn) -> None:
    chain, row = one_row(books, on_chain_balance_raw="9", sync_count=1)
    claim(conn, chain)
    books.query("UPDATE asset_on_chain SET is_active = false")
    assert write(conn, balance(row)) == set()
    assert books.of(row, "on_chain_balance_raw", "sync_count", "last_checked", "locked_by") == ("9", 1, None, None)


def test_a_row_that_names_another_wallet_or_asset_by_now_is_only_freed(books: Books, conn: Conn) -> None:
    chain, row = one_row(books)
    (held,) = claim(conn, chain)
    books.query("UPDATE wallet_balances SET asset_on_chain_id = %s", books.asset(chain))
    assert ledger_write.write(conn, "uuid", [Balance(row, "me", held.wallet_id, held.asset_id, "5", "5", 0.0)], lambda: 1.0) == set()
    assert books.of(row, "on_chain_balance_raw", "last_checked", "locked_by") == (None, None, None)


def test_rows_that_fail_again_and_again_take_a_part_of_a_claim_at_most(books: Books, conn: Conn) -> None:
    chain = books.chain()
    wallet, asset = books.address(a_wallet(7), chain), books.asset(chain, TOKEN)
    bad, good = {books.row(wallet, asset) for _ in range(20)}, {books.row(wallet, asset, last_checked="2026-01-01") for _ in range(20)}
    claim(conn, chain, limit=20)
    ledger_write.fail(conn, "uuid", [Fault(row, "me", "no") for row in bad])
    books.query("UPDATE trueup_set_aside SET next_attempt = now()")
    found = [row.id for row in claim(conn, chain, limit=10)]
    assert len(bad & set(found)) == 2
    assert len(good & set(found)) == 8


def test_an_error_that_no_column_holds_is_written_without_what_it_cannot_hold(books: Books, conn: Conn) -> None:
    chain, row = one_row(books)
    claim(conn, chain)
    ledger_write.fail(conn, "uuid", [Fault(row, "me", "no\0thing \ud800 " + "x" * 900)])
    assert books.of(row, "locked_by", "left(last_error, 8)", "length(last_error)") == (None, "nothing ", 500)


def test_a_row_that_somebody_has_locked_is_not_waited_for_by_a_renewal(books: Books, conn: Conn) -> None:
    chain, row = one_row(books)
    claim(conn, chain)
    with connect(books.url) as other, other.transaction():
        other.execute("SELECT 1 FROM wallet_balances FOR UPDATE")
        assert ledger.renew(conn, "uuid", [row], "me", 600) == 0
    assert ledger.renew(conn, "uuid", [row], "me", 600) == 1


def test_columns_of_other_programs_stay_as_they_are(books: Books, conn: Conn) -> None:
    books.query(UPSTREAM)
    chain, row = one_row(books)
    theirs = ("needs_gas", "needs_consolidation", "priority", "gas_locked_until", "gas_locked_by", "consolidation_locked_by", "created_at")
    before = books.of(row, *theirs)
    claim(conn, chain)
    write(conn, balance(row))
    claim(conn, chain)
    ledger_write.fail(conn, "uuid", [Fault(row, "me", "no")])
    assert books.of(row, *theirs) == before
    assert books.of(row, "sync_count", "error_count") == (1, 1)


def test_a_value_that_a_column_cannot_hold_is_told_apart_from_a_database_that_is_away(books: Books, conn: Conn) -> None:
    books.query("ALTER TABLE wallet_balances ALTER COLUMN on_chain_balance_human TYPE NUMERIC(6, 2)")
    chain, row = one_row(books)
    claim(conn, chain)
    with pytest.raises(psycopg.DataError):
        write(conn, balance(row, human="123456.78"))
    assert books.of(row, "locked_by") == ("me",)


def test_a_row_that_takes_no_lease_is_found(books: Books, conn: Conn) -> None:
    chain, row = one_row(books)
    books.query("""CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
        CREATE TRIGGER no BEFORE UPDATE ON wallet_balances FOR EACH ROW EXECUTE FUNCTION no()""")
    with pytest.raises(psycopg.errors.RaiseException):
        claim(conn, chain)
    found = ledger.unclaimable(conn, chain, 50)
    assert list(found) == [row]
    assert "not this one" in found[row]
    ledger_write.put_aside(conn, row, found[row])
    assert claim(conn, chain) == []


# --- Addresses


def addresses(conn: Conn, chain: str, *lookups: str) -> tuple[Address, ...]:
    (row,) = claim(conn, chain, "me", 50, 60, *lookups)
    return row.addresses


def test_the_address_is_that_of_the_wallets_row_on_the_assets_chain(books: Books, conn: Conn) -> None:
    chain, other = books.chain(), books.chain("other")
    asset = books.asset(chain, TOKEN)
    books.row(books.address(a_wallet(1), other), asset)
    assert addresses(conn, chain) == (Address("user_wallet_addresses", a_wallet(1), True, False),)


def test_several_lookups_are_asked_in_one_statement(books: Books, conn: Conn) -> None:
    books.query(UPSTREAM)
    chain = books.chain()
    wallet = books.address(a_wallet(2), chain, table="operation_wallet_addresses")
    books.query("INSERT INTO user_wallet_addresses VALUES (%s, %s, %s, false)", wallet, a_wallet(1), chain)
    books.row(wallet, books.asset(chain, TOKEN))
    found = addresses(conn, chain, "user_wallet_addresses", "operation_wallet_addresses")
    assert found == (
        Address("user_wallet_addresses", a_wallet(1), False, True),
        Address("operation_wallet_addresses", a_wallet(2), True, True),
    )


def test_a_wallet_without_a_row_has_no_address(books: Books, conn: Conn) -> None:
    chain = books.chain()
    books.row("11111111-1111-1111-1111-111111111111", books.asset(chain, TOKEN))
    assert addresses(conn, chain) == ()


def test_a_table_of_wallets_without_chains_serves_every_chain(books: Books, conn: Conn) -> None:
    books.query("CREATE TABLE wallets (id TEXT PRIMARY KEY, address TEXT)")
    chain = books.chain()
    wallet = "22222222-2222-2222-2222-222222222222"
    books.query("INSERT INTO wallets VALUES (%s, %s)", wallet, a_wallet(3))
    books.row(wallet, books.asset(chain, TOKEN))
    assert addresses(conn, chain, "wallets") == (Address("wallets", a_wallet(3), True, True),)


def test_the_column_of_the_rows_themselves_is_a_lookup(books: Books, conn: Conn) -> None:
    books.query("ALTER TABLE wallet_balances ADD COLUMN address TEXT")
    chain = books.chain()
    asset = books.asset(chain, TOKEN)
    first, second = (books.row("33333333-3333-3333-3333-333333333333", asset, address=text) for text in (a_wallet(4), None))
    found = {row.id: row.addresses for row in claim(conn, chain, "me", 50, 60, "wallet_balances")}
    assert found == {first: (Address("wallet_balances", a_wallet(4), True, True),), second: ()}


def test_of_several_rows_of_one_wallet_the_one_on_the_chain_counts(books: Books, conn: Conn) -> None:
    books.query(LOOKUP.replace(" PRIMARY KEY", "").format("many"))
    chain, other = books.chain(), books.chain("other")
    wallet = "44444444-4444-4444-4444-444444444444"
    for number, on, active in ((1, other, True), (2, chain, False), (3, chain, True)):
        books.query("INSERT INTO many VALUES (%s, %s, %s, %s)", wallet, a_wallet(number), on, active)
    books.row(wallet, books.asset(chain, TOKEN))
    assert addresses(conn, chain, "many") == (Address("many", a_wallet(3), True, True),)


# --- The schema


def test_init_makes_all_that_is_missing_and_nothing_twice(database_url: str) -> None:
    config = config_of(database_url, "user_wallet_addresses", "operation_wallet_addresses")
    with connect(database_url) as conn:
        with pytest.raises(ConfigError, match="run `trueup init`"):
            schema.check(conn, config)
        said = schema.init(conn, config)
        assert "table wallet_balances: created" in said
        assert "table operation_wallet_addresses: created" in said
        assert schema.init(conn, config) == []
        schema.check(conn, config)
        books = Books(database_url)
        chain, row = one_row(books)
        claim(conn, chain)
        assert write(conn, balance(row)) == {row}


def test_init_changes_nothing_of_the_seeds_tables_but_an_index(database_url: str) -> None:
    columns = "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_name !~ 'trueup|eth_' AND table_schema = 'public'"
    keys = "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f'"
    with connect(database_url) as conn:
        conn.execute(SEED)
        books = Books(database_url)
        before = set(books.query(columns)), set(books.query(keys))
        assert schema.init(conn, config_of(database_url)) == [
            *(f"table {name}: created" for name in schema.OWN),
            "table eth_indexer_checkpoints: created",
            "table trueup_ledger_chains: created",
            "table wallet_balances: indexed by last_checked",
        ]
        assert (set(books.query(columns)), set(books.query(keys))) == before
        schema.check(conn, config_of(database_url))


def test_foreign_keys_are_made_between_tables_that_init_made(database_url: str) -> None:
    with connect(database_url) as conn:
        schema.init(conn, config_of(database_url, "wallets"))
    keys = Books(database_url).query("SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint WHERE contype = 'f'")
    assert set(keys) == {("asset_on_chain", "chains"), ("wallet_balances", "asset_on_chain"), ("wallet_balances", "wallets")}


def test_a_lookup_that_is_not_there_is_named(books: Books, conn: Conn) -> None:
    with pytest.raises(ConfigError, match=r"table wallets does not exist: see ledger.address_from"):
        schema.check(conn, config_of(books.url, "wallets"))
    with pytest.raises(ConfigError, match=r"table wallet_balances lacks address: see `trueup doctor`"):
        schema.check(conn, config_of(books.url, "wallet_balances"))


def test_the_chain_that_a_node_is_on_is_learned_once(books: Books, conn: Conn) -> None:
    chain = books.chain("polygon", "http://127.0.0.1:1")
    assert [(row.id, row.rpc_url, row.chain_id) for row in ledger.chains(conn)] == [(chain, "http://127.0.0.1:1", None)]
    assert ledger.learn(conn, chain, 137) == 137
    assert ledger.learn(conn, chain, 1) == 137
    assert [row.chain_id for row in ledger.chains(conn)] == [137]
