"""Reading an asset's rows: which of some wallets are tracked and how their rows stand, which rows are oldest,
which are above a fork.

`track` is `discover` (every wallet), `table` (those with a row) or a SELECT whose first column holds
addresses in any case.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import sql

from actors.config import AssetConfig
from actors.errors import ConfigError
from actors.pace import pace
from actors.record import record
from actors.store.arrays import from_text, texts
from actors.store.names import put_together, table
from actors.store.postgres import Conn, is_down

ESTIMATE_FROM = 100_000
PLACEHOLDERS_AT_ONCE = 10_000
ZERO = "0x" + 40 * "0"


def safe_time(column: sql.Composable) -> sql.Composed:
    """A time that Python has, whatever another program stored; `infinity` would fail every page that it is in."""
    return sql.SQL("greatest(timestamp '0001-01-01', least(timestamp '9999-12-31', {}))").format(column)


SAFE_TIME = safe_time(sql.SQL("h.updated_at"))


@record(frozen=True, slots=True)
class RowState:
    """How a wallet stands: its row's columns, and whether it is tracked or set aside. Without a row it is as
    old as a placeholder.
    """

    wallet: bytes
    read_block: int | None
    blocknumber: int | None
    updated_at: datetime
    tracked: bool
    aside: bool


def is_query(track: str) -> bool:
    """Whether `track` is a SELECT of addresses."""
    return track not in ("discover", "table")


def addresses(track: str) -> sql.Composable:
    """The operator's SELECT as a source of rows `t(address)`. A percent sign in it is no placeholder, and a
    comment may end it.
    """
    query = track.strip().rstrip(";").replace("%", "%%")
    return sql.SQL("(\n{}\n) t(address)").format(sql.SQL(query))


@contextmanager
def blaming_track(asset: AssetConfig) -> Iterator[None]:
    """What Postgres refuses inside is the operator's SELECT. Raises ConfigError."""
    try:
        yield
    except psycopg.Error as error:
        if is_down(error):
            raise
        raise ConfigError(f"asset {asset.name}: track: {str(error).splitlines()[0]}") from error


def is_wallet(column: sql.Composable) -> sql.Composed:
    """Whether a text is a wallet as tables hold it. Whatever else another program keeps there must not reach
    the sweep. `~ '^0x[0-9a-f]{40}$'` would say the same and take Postgres seven times as long, more than all else of a select; of
    `length = 42` it would expect so few rows that it sorted the whole table.
    """
    return sql.SQL("({0} like {1} and {0} ~ '^0x[0-9a-f]+$' and {0} <> {2})").format(column, sql.Literal("0x" + 40 * "_"), sql.Literal(ZERO))


def look_up(conn: Conn, asset: AssetConfig, wallets: Sequence[bytes]) -> dict[bytes, RowState]:
    """The state of those of the wallets that are tracked or have a row, in one query."""
    rows = conn.execute(_look_up(asset.table, asset.track), {"wallets": texts(wallets), "name": asset.table}).fetchall()
    states = [_state(row) for row in rows if row[4] or row[6]]
    return {state.wallet: state for state in states}


@lru_cache(maxsize=64)
def _look_up(name: str, track: str) -> sql.SQL:
    known: sql.Composable = sql.SQL("")
    tracked: sql.Composable = sql.SQL("true")
    if track == "table":
        tracked = sql.SQL("h.wallet is not null")
    elif is_query(track):
        # A semi-join, so that Postgres may choose between an index and one pass over the operator's tables.
        known = sql.SQL(
            ", known as (select g.wallet from given g where exists (select from {} where lower(t.address::text) = g.wallet))"
        ).format(addresses(track))
        tracked = sql.SQL("exists (select from known k where k.wallet = g.wallet)")
    query = sql.SQL(
        """
        with given as (select distinct unnest(%(wallets)s::text[]) as wallet){known}
        select g.wallet, h.read_block, h.blocknumber, case when h.wallet is null then timestamp '1970-01-01' else {time} end,
            {tracked}, s.row_key is not null, h.wallet is not null
        from given g left join {table} h on h.wallet = g.wallet
        left join trueup_set_aside s on s.table_name = %(name)s and s.row_key = g.wallet
        """
    )
    return put_together(query.format(known=known, tracked=tracked, table=table(name), time=SAFE_TIME))


def _state(row: Sequence[Any]) -> RowState:
    wallet, read_block, blocknumber, updated_at, tracked, aside = row[:6]
    return RowState(from_text(wallet), read_block, blocknumber, updated_at, tracked, aside)


def tick_size(rows: int, interval_secs: float, target_age_secs: float, batch_size: int) -> int:
    """How many rows one tick reads: the config's number, or what renews `rows` within the target age."""
    return pace(rows, target_age_secs, interval_secs, batch_size).rows


def prepare_tick(conn: Conn, asset: AssetConfig, interval_secs: float, batch_size: int) -> int:
    """How many rows a tick reads; placeholders for new addresses of the SELECT are inserted first."""
    insert_placeholders(conn, asset)
    rows = count(conn, asset) if asset.target_age_secs else 0
    return tick_size(rows, interval_secs, asset.target_age_secs, batch_size)


def insert_placeholders(conn: Conn, asset: AssetConfig) -> int:
    """Insert rows of 1970 for addresses of the SELECT that have none, a bounded number at once. How many were
    inserted.
    """
    if not is_query(asset.track):
        return 0
    query = sql.SQL(
        """
        insert into {table} (wallet, balance, updated_at)
        select c.wallet, 0, timestamp '1970-01-01'
        from (select distinct lower(t.address::text) as wallet from {addresses}) c
        where {valid} and not exists (select from {table} h where h.wallet = c.wallet)
        order by c.wallet collate "C" limit %(limit)s
        on conflict (wallet) do nothing
        """
    ).format(table=table(asset.table), addresses=addresses(asset.track), valid=is_wallet(sql.SQL("c.wallet")))
    return conn.execute(query, {"limit": PLACEHOLDERS_AT_ONCE}).rowcount


def above(conn: Conn, asset: AssetConfig, fork: int, after: str, limit: int) -> list[RowState]:
    """The rows that were read above the fork, in wallet order after the wallet `after` ("": from the first),
    for repairs.

    A row that exists is repaired whether or not it is tracked still.
    """
    query = sql.SQL(
        """
        select h.wallet, h.read_block, h.blocknumber, {time}, true, s.row_key is not null
        from {table} h left join trueup_set_aside s on s.table_name = %(name)s and s.row_key = h.wallet
        where h.read_block > %(fork)s and h.wallet > %(after)s and {valid}
        order by h.wallet limit %(limit)s
        """
    ).format(table=table(asset.table), time=SAFE_TIME, valid=is_wallet(sql.SQL("h.wallet")))
    rows = conn.execute(query, {"name": asset.table, "fork": fork, "after": after, "limit": limit})
    return [_state(row) for row in rows]


def count(conn: Conn, asset: AssetConfig) -> int:
    """How many rows the table has: exactly while it is small, by Postgres's own estimate from 100,000 on."""
    name = table(asset.table)
    row = conn.execute("select reltuples::bigint from pg_class where oid = to_regclass(%s)", [name.as_string(conn)]).fetchone()
    if row and row[0] > ESTIMATE_FROM:
        return int(row[0])
    row = conn.execute(sql.SQL("select count(*) from {}").format(name)).fetchone()
    return int(row[0]) if row else 0
