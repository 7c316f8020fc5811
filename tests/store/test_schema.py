"""`init` over an empty database, over the first seed's and over its own; and the check at every start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from actors.errors import ConfigError
from actors.messages import Marks
from actors.store import checkpoint, schema
from actors.store.postgres import Conn, connect
from tests.store.scene import AUDIO, Store, config_of, key, oldest, reading, wallet

CONFIG = config_of(AUDIO)
SEED = """
create table eth_wallet_balances (
    wallet text primary key,
    balance numeric not null default 0,
    blocknumber bigint,
    updated_at timestamp not null default current_timestamp,
    created_at timestamp not null default current_timestamp
);
create index eth_wallet_balances_updated_at_idx on eth_wallet_balances (updated_at);
create table eth_indexer_checkpoints (
    name text primary key,
    last_block bigint not null,
    updated_at timestamp not null default current_timestamp
);
insert into eth_indexer_checkpoints (name, last_block) values ('audio_transfers', 24000000);
create view totals as select sum(balance) as total from eth_wallet_balances;
"""
ROWS = """
insert into eth_wallet_balances (wallet, balance, blocknumber, updated_at)
select '0x' || lpad(to_hex(n), 40, '0'), n,
    case when n % 3 = 0 then 24000000 - n end,
    case when n % 4 = 0 then timestamp '1970-01-01' else timestamp '2025-01-01' + n * interval '1 s' end
from generate_series(1, 1000) n
"""


@pytest.fixture
def conn(database_url: str) -> Iterator[Conn]:
    """An empty database."""
    with connect(database_url) as conn:
        yield conn


@pytest.fixture
def seed(conn: Conn) -> Conn:
    """A database as the first seed left it."""
    conn.execute(SEED)
    conn.execute(ROWS)
    return conn


def relations(conn: Conn) -> list[Any]:
    """All columns and indexes."""
    return conn.execute(
        "select attrelid::regclass::text, attname, atttypid::regtype::text, attnotnull "
        "from pg_attribute a join pg_class c on c.oid = attrelid "
        "where relnamespace = 'public'::regnamespace and attnum > 0 order by 1, attnum"
    ).fetchall()


def rows(conn: Conn) -> list[Any]:
    """What the seed's programs see."""
    return conn.execute(
        "select wallet, balance, blocknumber, updated_at, created_at from eth_wallet_balances order by 1"
    ).fetchall()


def test_empty_database_gets_all_that_the_config_uses(conn: Conn) -> None:
    said = schema.init(conn, CONFIG)
    assert "table eth_wallet_balances: created" in said
    schema.check(conn, CONFIG)
    assert conn.execute("select to_regclass('eth_wallet_balances_updated_at_idx') is not null").fetchone() == (True,)
    assert conn.execute("select to_regclass('wallet_balances')").fetchone() == (None,)


def test_second_init_changes_nothing(conn: Conn) -> None:
    schema.init(conn, CONFIG)
    before = relations(conn)
    assert schema.init(conn, CONFIG) == []
    assert relations(conn) == before


def test_tables_of_the_seed_are_taken_over_as_they_are(seed: Conn) -> None:
    before = rows(seed)
    own = {"wallet", "balance", "blocknumber", "updated_at"}
    lacking = ", ".join(column for column in schema.HOLDER_COLUMNS if column not in own)
    assert schema.init(seed, CONFIG)[-2:] == [
        "table eth_indexer_checkpoints: added confirmed",
        f"table eth_wallet_balances: added {lacking}",
    ]
    assert schema.init(seed, CONFIG) == []
    schema.check(seed, CONFIG)
    assert rows(seed) == before
    assert checkpoint.load(seed, "audio_transfers") == Marks(24000000, None)
    indexes = seed.execute("select count(*) from pg_indexes where tablename = 'eth_wallet_balances'").fetchone()
    assert indexes == (2,)


def test_rows_of_the_seed_are_swept_and_written(seed: Conn) -> None:
    schema.init(seed, CONFIG)
    assert oldest(Store(seed, ""), 3) == [wallet(4), wallet(8), wallet(12)]
    Store(seed, "").write(reading(3, 5, 100), reading(4, 6, 100, event=100))
    found = seed.execute(
        "select balance, blocknumber, updated_at > '2025-06-01' from eth_wallet_balances where wallet = any(%s) order by wallet",
        [[key(3), key(4)]],
    )
    assert found.fetchall() == [(5, 24000000 - 3, True), (6, 100, True)]


def test_init_needs_no_right_to_alter_what_is_complete(seed: Conn) -> None:
    schema.init(seed, CONFIG)
    seed.execute("create role trueup_guest_of_test")
    try:
        seed.execute("grant select, update on all tables in schema public to trueup_guest_of_test")
        seed.execute("set role trueup_guest_of_test")
        assert schema.init(seed, CONFIG) == []
    finally:
        seed.execute("reset role")
        seed.execute("drop owned by trueup_guest_of_test")
        seed.execute("drop role trueup_guest_of_test")


def test_init_that_may_not_says_so_in_a_line_and_leaves_nothing(seed: Conn) -> None:
    seed.execute("create role trueup_guest_of_test")
    try:
        seed.execute("set role trueup_guest_of_test")
        with pytest.raises(ConfigError, match=r"init: (permission denied|must be owner)[^\n]*$"):
            schema.init(seed, CONFIG)
    finally:
        seed.execute("reset role")
        seed.execute("drop role trueup_guest_of_test")
    assert seed.execute("select to_regclass('trueup_chains')").fetchone() == (None,)


def test_table_without_the_columns_is_refused_by_name(seed: Conn) -> None:
    with pytest.raises(ConfigError, match="table eth_indexer_checkpoints lacks confirmed: run `trueup init`"):
        schema.check(seed, CONFIG)
    schema.init(seed, CONFIG)
    seed.execute("alter table eth_wallet_balances drop column read_block, drop column blocknumber")
    with pytest.raises(ConfigError, match="table eth_wallet_balances lacks blocknumber, read_block: run `trueup init`"):
        schema.check(seed, CONFIG)


def test_missing_table_is_refused_by_name(conn: Conn) -> None:
    schema.init(conn, CONFIG)
    with pytest.raises(ConfigError, match=r"table other\.balances does not exist: run `trueup init`"):
        schema.check(conn, config_of(replace(AUDIO, table="other.balances")))


def test_table_with_many_rows_for_a_wallet_is_refused(conn: Conn) -> None:
    schema.init(conn, CONFIG)
    conn.execute("alter table eth_wallet_balances drop constraint eth_wallet_balances_pkey, add primary key (wallet, created_at)")
    with pytest.raises(ConfigError, match="table eth_wallet_balances: wallet must be its primary key"):
        schema.check(conn, CONFIG)


def test_select_that_does_not_run_is_refused_with_its_asset(conn: Conn) -> None:
    schema.init(conn, CONFIG)
    with pytest.raises(ConfigError, match=r'asset AUDIO: track: relation "users" does not exist$'):
        schema.check(conn, config_of(replace(AUDIO, track="select wallet from users")))


def test_init_over_a_connection_with_a_transaction_open_commits_with_it(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute("select 1")
        schema.init(conn, CONFIG)
    with connect(database_url) as conn:
        schema.check(conn, CONFIG)


def test_placeholders_stay_at_1970_when_taken_over(seed: Conn) -> None:
    schema.init(seed, CONFIG)
    oldest = seed.execute("select min(updated_at), count(*) filter (where updated_at < '1971-01-01') from eth_wallet_balances")
    assert oldest.fetchone() == (datetime(1970, 1, 1), 250)


def test_database_of_an_earlier_version_gets_what_it_lacks_and_is_refused_till_then(conn: Conn) -> None:
    schema.init(conn, CONFIG)
    conn.execute("drop table trueup_spend")
    with pytest.raises(ConfigError, match="table trueup_spend does not exist: run `trueup init`"):
        schema.check(conn, CONFIG)
    assert schema.init(conn, CONFIG) == ["table trueup_spend: created"]
    schema.check(conn, CONFIG)


def test_the_schema_is_installed_with_the_package() -> None:
    inside = Path(schema.__file__).parents[1] / "schema.sql"
    assert inside.read_text() == (Path(__file__).parents[2] / "schema.sql").read_text()
