"""`trueup init` and the check that every start makes: the tables that the config uses, and the columns that
trueup adds.

The schema itself is `schema.sql`, in named parts. What is there already is left alone, so init needs no more
rights than what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg
from psycopg import sql

from actors.config import AssetConfig, Config
from actors.errors import ConfigError
from actors.store import ledger_schema, privileges
from actors.store.holders import addresses, blaming_track, is_query
from actors.store.moving import COLUMNS
from actors.store.names import schema_of, table
from actors.store.postgres import Conn, one_line
from actors.store.schema_parts import apply, describe, has_index, missing, parts

HOLDERS = "eth_wallet_balances"
CHECKPOINTS = "eth_indexer_checkpoints"
SEED = {CHECKPOINTS: ("name", "last_block", "updated_at", "confirmed")}
OWN = {
    "trueup_chains": ("chain", "branch"),
    "trueup_blocks": ("chain", "number", "hash", "branch", "since"),
    "trueup_set_aside": ("table_name", "row_key", "block", "error", "attempts", "next_attempt"),
    "trueup_leases": ("role", "holder", "until"),
    "trueup_spend": ("chain", "day", "actor", "method", "calls", "units"),
}
AUDIT = {
    "trueup_audit": (
        *("id", "table_name", "wallet", "balance", "read_block", "updated_at", "chain_balance", "block_hash", "endpoints"),
        *("branch", "note", "found_at", "outcome", "concluded_at"),
    )
}
HOLDER_COLUMNS = ("wallet", "blocknumber", *(column.name for column in COLUMNS))
# Two inits at once: whoever comes second finds what the first one made.
RACED = (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable, psycopg.errors.DuplicateColumn)
ATTEMPTS = 5


def init(conn: Conn, config: Config) -> list[str]:
    """Make what is missing, in one transaction, and say what it was, a line each.

    Harmless twice, and over the tables of the programs that trueup takes over from.
    """
    for _ in range(ATTEMPTS):
        try:
            with conn.transaction():
                return _init(conn, config)
        except RACED as error:
            raced = error
        except psycopg.ProgrammingError as error:
            raise ConfigError(f"init: {one_line(error)}") from error
    raise raced


def _init(conn: Conn, config: Config) -> list[str]:
    conn.execute("set local statement_timeout = 0")  # an index over millions of rows takes its time
    said = [*apply(conn, "core", OWN), *apply(conn, "checkpoints", SEED)]
    conn.execute("lock table trueup_chains in share row exclusive mode")
    for asset in config.assets:
        said += _init_holders(conn, asset)
    if config.audit.rows_a_minute:
        said += apply(conn, "audit", AUDIT)
    if config.ledger.enabled:
        said += ledger_schema.init(conn, config.ledger)
    return said


def _init_holders(conn: Conn, asset: AssetConfig) -> list[str]:
    name, said = table(asset.table), []
    schema = schema_of(asset.table)
    if schema and not conn.execute("select 1 from pg_namespace where nspname = %s", [schema]).fetchone():
        conn.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        said.append(f"schema {schema}: created")
    if lacking := missing(conn, name, HOLDER_COLUMNS):
        conn.execute(parts()["holders"].replace(HOLDERS, name.as_string(conn)))
        said.append(describe(asset.table, lacking, HOLDER_COLUMNS))
    if not has_index(conn, name, "updated_at", unique=False):
        # Without a name of its own: Postgres makes it from the table's, which gives the seed's.
        conn.execute(parts()["holders_index"].replace(HOLDERS, name.as_string(conn)))
        said.append(f"table {asset.table}: indexed by updated_at")
    return said


def check(conn: Conn, config: Config) -> None:
    """Refuse a database without the tables, columns and privileges that the config needs."""
    try:
        _check(conn, config)
    except psycopg.errors.InsufficientPrivilege as error:  # a schema that one may not even look into
        raise ConfigError(f"{one_line(error)}: the owner of the tables grants it by `trueup init --role NAME`") from error


def _check(conn: Conn, config: Config) -> None:
    for own, columns in {**SEED, **OWN, **(AUDIT if config.audit.rows_a_minute else {})}.items():
        _require(conn, own, sql.Identifier(own), columns)
    for asset in config.assets:
        name = table(asset.table)
        _require(conn, asset.table, name, HOLDER_COLUMNS)
        if not has_index(conn, name, "wallet", unique=True):
            raise ConfigError(f"table {asset.table}: wallet must be its primary key, or unique on its own")
        if is_query(asset.track):
            _check_track(conn, asset)
    if config.ledger.enabled:
        ledger_schema.check(conn, config.ledger)
    privileges.check(conn, config)


def _require(conn: Conn, shown: str, name: sql.Identifier, columns: Sequence[str]) -> None:
    lacking = missing(conn, name, columns)
    if len(lacking) == len(columns):
        raise ConfigError(f"table {shown} does not exist: run `trueup init`")
    if lacking:
        raise ConfigError(f"table {shown} lacks {', '.join(lacking)}: run `trueup init`")


def _check_track(conn: Conn, asset: AssetConfig) -> None:
    query = sql.SQL("select lower(t.address::text) from {} limit 0").format(addresses(asset.track))
    with blaming_track(asset):
        conn.execute(query, {})
