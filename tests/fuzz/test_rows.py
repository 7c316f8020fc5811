"""Rows as any other program may have left them, on a real Postgres: what holds no wallet reaches nobody, and ends nobody."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.claim import claim_of
from actors.config import AssetConfig, ChainConfig, Config, DatabaseConfig, LedgerConfig
from actors.store import ages, audit, holders, ledger, ledger_write, pages, schema
from actors.store.ledger_write import Fault
from actors.store.postgres import Conn, connect
from tests.fuzz.targets.ledger_rows import ADDRESSES
from tests.fuzz.targets.page_text import BAD, GOOD, WALLET, ZERO
from tests.ledger_scene import SEED, Books
from tests.store.scene import AUDIO, config_of

TEXTS = st.sampled_from([*GOOD, *BAD]) | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)
BLOCKS = st.none() | st.sampled_from([-1, 0, 5, 2**63 - 1, -(2**63)])
ROW = st.tuples(
    TEXTS,
    st.sampled_from(["0", "5.0", "-1", "NaN", "Infinity", "-Infinity", "1e1000", "0.5"]),
    BLOCKS,
    BLOCKS,
    st.sampled_from(["infinity", "-infinity", "1970-01-01", "2026-01-01", "4714-11-24 BC", "294276-12-31 23:59:59.999999"]),
)
MANY = settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
TRACKED = "select address from users"


@pytest.fixture
def conn(database_url: str) -> Iterator[Conn]:
    with connect(database_url) as conn:
        schema.init(conn, config_of(AUDIO))
        conn.execute("create table users (address text)")
        yield conn


def is_wallet(text: str) -> bool:
    return WALLET.fullmatch(text) is not None and text != ZERO


@pytest.mark.long
def test_whatever_is_in_the_holders_table_only_wallets_are_read_of_it(conn: Conn) -> None:
    @MANY
    @given(st.lists(ROW, max_size=8, unique_by=lambda row: row[0]))
    def holds(rows: list[tuple[Any, ...]]) -> None:
        conn.execute("truncate eth_wallet_balances")
        put = "insert into eth_wallet_balances (wallet, balance, read_block, blocknumber, updated_at) values (%s, %s::numeric, %s, %s, %s::timestamp)"
        for row in rows:
            conn.execute(put, row)
        wallets = sorted(row[0] for row in rows if is_wallet(row[0]))
        page = pages.oldest_page(conn, AUDIO, 50, None, 0, None)
        assert sorted(page.wallets.split(",") if page else []) == wallets
        assert [state.wallet.hex() for state in holders.above(conn, AUDIO, 4, "", 50)] == [
            row[0][2:] for row in sorted(rows) if is_wallet(row[0]) and (row[2] or 0) > 4
        ]
        assert sorted(row.wallet for row in audit.page(conn, AUDIO, "", 50).rows) == wallets
        found = holders.look_up(conn, AUDIO, [bytes.fromhex(wallet[2:]) for wallet in GOOD])
        assert len(found) == len(GOOD)
        measured = ages.measure(conn, AUDIO)
        assert measured is not None
        assert measured.max_secs is None or math.isfinite(measured.max_secs)
        assert measured.rows + measured.placeholders == len(wallets)

    holds()


def test_whatever_a_select_of_addresses_answers_only_wallets_get_rows(conn: Conn) -> None:
    asset = AssetConfig("AUDIO", "ethereum", "eth_wallet_balances", "audio_transfers", AUDIO.sources, track=TRACKED)

    @MANY
    @given(st.lists(st.none() | TEXTS | st.sampled_from(ADDRESSES), max_size=8))
    def holds(found: list[str | None]) -> None:
        conn.execute("truncate eth_wallet_balances, users")
        for address in found:
            conn.execute("insert into users values (%s)", [address])
        holders.insert_placeholders(conn, asset)
        rows = {wallet for (wallet,) in conn.execute("select wallet from eth_wallet_balances")}
        lowered = {lowered for (lowered,) in conn.execute("select lower(address) from users where address is not null")}
        assert rows == {wallet for wallet in lowered if re.fullmatch("0x[0-9a-f]{40}", wallet) and wallet != ZERO}
        holders.look_up(conn, asset, [bytes.fromhex(wallet[2:]) for wallet in GOOD])

    holds()


@pytest.mark.long
def test_whatever_a_ledger_row_names_it_is_claimed_and_read_or_has_its_error(database_url: str) -> None:
    with connect(database_url) as conn:
        conn.execute(SEED)
        config = Config(DatabaseConfig(database_url), (ChainConfig("town", 1, ("http://127.0.0.1:1",)),), (), ledger=LedgerConfig(True, ("user_wallet_addresses",)))
        schema.init(conn, config)
        books, own = Books(database_url), ledger.tables(conn, ("user_wallet_addresses", "wallet_balances"))
        conn.execute("alter table wallet_balances add column address text")
        chain = books.chain()

        @settings(MANY, max_examples=25)
        @given(TEXTS | st.sampled_from(ADDRESSES), TEXTS | st.sampled_from(ADDRESSES), st.none() | st.integers(-(2**31), 2**31 - 1))
        def holds(address: str, contract: str, decimals: int | None) -> None:
            conn.execute("truncate wallet_balances, asset_on_chain, user_wallet_addresses, trueup_set_aside cascade")
            row = books.row(books.address(address, chain), books.asset(chain, contract, decimals), address=address)
            claimed = ledger.claim(conn, own, chain, "me", 60, 10)
            assert [each.id for each in claimed] == [row]
            claim, items = claim_of(claimed, "me", "uuid", ["user_wallet_addresses"])
            assert len(claim.rows) == len(items) == 1
            errors = [Fault(row, "me", getattr(item, "error", address)) for item in items]
            ledger_write.fail(conn, "uuid", errors)
            said = books.of(row, "last_error")[0]
            assert json.dumps(said)
            assert len(said) <= 500

        holds()
