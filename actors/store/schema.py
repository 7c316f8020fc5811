"""`trueup init` and the check that every start makes: the tables that the config uses, and the columns that
trueup adds.

The schema itself is `schema.sql`, in named parts. What is there already is left alone, so init needs no more
rights than what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import psycopg
from psycopg import sql

from actors.config import AssetConfig, Config
from actors.errors import ConfigError
from actors.store.holders import addresses, is_query
from actors.store.names import schema_of, table
from actors.store.postgres import Conn, is_down, one_line

HOLDERS = "eth_wallet_balances"
CHECKPOINTS = "eth_indexer_checkpoints"
COLUMNS = {
    CHECKPOINTS: ("name", "last_block", "updated_at", "confirmed"),
    "trueup_chains": ("chain", "branch"),
    "trueup_blocks": ("chain", "number", "hash", "branch", "since"),
    "trueup_set_aside": ("table_name", "row_key", "block", "error", "attempts", "next_attempt"),
    "trueup_leases": ("role", "holder", "until"),
}
HOLDER_COLUMNS = ("wallet", "balance", "blocknumber", "updated_at", "read_block")
# Two inits at once: whoever comes second finds what the first one made.
RACED = (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable, psycopg.errors.DuplicateColumn)
ATTEMPTS = 5


@cache
def parts() -> dict[str, str]:
    """The named parts of `schema.sql`: beside the package in a checkout, inside it where it was installed."""
    here = Path(__file__).resolve().parents
    path = next(p for p in (here[2] / "schema.sql", here[1] / "schema.sql") if p.is_file())
    found = re.split(r"^-- part: (\w+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


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
    own = [name for name in COLUMNS if name.startswith("trueup_")]
    said = [*_apply(conn, "core", own), *_apply(conn, "checkpoints", [CHECKPOINTS])]
    conn.execute("lock table trueup_chains in share row exclusive mode")
    for asset in config.assets:
        said += _init_holders(conn, asset)
    return said


def _apply(conn: Conn, part: str, names: Sequence[str]) -> list[str]:
    """Apply a part if something of it is missing."""
    missing = {name: _missing(conn, sql.Identifier(name), COLUMNS[name]) for name in names}
    if any(missing.values()):
        conn.execute(parts()[part])
    return [_said(name, found, COLUMNS[name]) for name, found in missing.items() if found]


def _said(name: str, missing: Sequence[str], columns: Sequence[str]) -> str:
    if len(missing) == len(columns):
        return f"table {name}: created"
    return f"table {name}: added {', '.join(missing)}"


def _init_holders(conn: Conn, asset: AssetConfig) -> list[str]:
    name, said = table(asset.table), []
    schema = schema_of(asset.table)
    if schema and not conn.execute("select 1 from pg_namespace where nspname = %s", [schema]).fetchone():
        conn.execute(sql.SQL("create schema {}").format(sql.Identifier(schema)))
        said.append(f"schema {schema}: created")
    if missing := _missing(conn, name, HOLDER_COLUMNS):
        conn.execute(parts()["holders"].replace(HOLDERS, name.as_string(conn)))
        said.append(_said(asset.table, missing, HOLDER_COLUMNS))
    if not _has_index(conn, name, "updated_at", unique=False):
        # Without a name of its own: Postgres makes it from the table's, which gives the seed's.
        conn.execute(parts()["holders_index"].replace(HOLDERS, name.as_string(conn)))
        said.append(f"table {asset.table}: indexed by updated_at")
    return said


def check(conn: Conn, config: Config) -> None:
    """Refuse a database without the tables and columns that the config needs."""
    for own, columns in COLUMNS.items():
        _require(conn, own, sql.Identifier(own), columns)
    for asset in config.assets:
        name = table(asset.table)
        _require(conn, asset.table, name, HOLDER_COLUMNS)
        if not _has_index(conn, name, "wallet", unique=True):
            raise ConfigError(f"table {asset.table}: wallet must be its primary key, or unique on its own")
        if is_query(asset.track):
            _check_track(conn, asset)


def _require(conn: Conn, shown: str, name: sql.Identifier, columns: Sequence[str]) -> None:
    missing = _missing(conn, name, columns)
    if len(missing) == len(columns):
        raise ConfigError(f"table {shown} does not exist: run `trueup init`")
    if missing:
        raise ConfigError(f"table {shown} lacks {', '.join(missing)}: run `trueup init`")


def _check_track(conn: Conn, asset: AssetConfig) -> None:
    query = sql.SQL("select lower(t.address::text) from {} limit 0").format(addresses(asset.track))
    try:
        conn.execute(query, {})
    except psycopg.Error as error:
        if is_down(error):
            raise
        raise ConfigError(f"asset {asset.name}: track: {str(error).splitlines()[0]}") from error


def _missing(conn: Conn, name: sql.Identifier, columns: Sequence[str]) -> list[str]:
    """Which of the columns the table lacks: all of them where there is no such table."""
    rows = conn.execute(
        "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped",
        [name.as_string(conn)],
    )
    found = {str(column) for (column,) in rows}
    return [column for column in columns if column not in found]


def _has_index(conn: Conn, name: sql.Identifier, column: str, *, unique: bool) -> bool:
    """Whether an index over all rows begins with the column; a unique one must be on the column alone."""
    row = conn.execute(
        """
        select 1 from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = to_regclass(%(table)s) and a.attname = %(column)s and i.indpred is null and i.indisvalid
            and (not %(unique)s or (i.indisunique and i.indnkeyatts = 1))
        """,
        {"table": name.as_string(conn), "column": column, "unique": unique},
    ).fetchone()
    return row is not None
