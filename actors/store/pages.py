"""Pages of a sweep: the oldest rows as one text, and their sums written as one.

A page's wallets stay text from the select to the write, and Postgres builds and parses it: an object for each row would cost many times
what all else does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

from actors.config import AssetConfig
from actors.messages import PageReading, PageResult
from actors.store import chain
from actors.store.holders import SAFE_TIME, ZERO, is_wallet
from actors.store.marks import check_not_overtaken, is_closed, load_marks, until_not_overtaken
from actors.store.names import table
from actors.store.postgres import Conn
from actors.store.rows import CLOCK, NEWER, READ_AT, Clock, lock_named

READS_HEX = 160_000  # the first server version whose numeric takes 0x…
INPUT = sql.SQL('(select * from unnest(%(wallets)s::text[], %(balances)s::numeric[]) r(wallet, balance) order by r.wallet collate "C") r')
UPSERT = sql.SQL(
    """
    with {clock}, w as (
        insert into {table} as h (wallet, balance, read_block, updated_at)
        select r.wallet, r.balance, %(block)s, {read_at} from {input}
        on conflict (wallet) do update set
            balance = case when {newer} then excluded.balance else h.balance end,
            read_block = case when {newer} then excluded.read_block else h.read_block end,
            updated_at = case when {newer} then excluded.updated_at else h.updated_at end
        returning h.read_block)
    select count(*) filter (where read_block = %(block)s) from w
    """
)
UPDATE = sql.SQL(
    """
    with {clock}, w as (
        update {table} h set
            balance = case when {newer} then r.balance else h.balance end,
            read_block = case when {newer} then %(block)s else h.read_block end,
            updated_at = case when {newer} then {read_at} else h.updated_at end
        from {input} where h.wallet = r.wallet
        returning h.read_block)
    select count(*) filter (where read_block = %(block)s) from w
    """
)


@dataclass(frozen=True, slots=True)
class Selected:
    """A page: `wallets` joined by commas. `last` is the `updated_at` of its newest row, which `ties` of its rows have. `even`: each of the
    wallets is as long as one.
    """

    wallets: str
    count: int
    last: datetime
    ties: int
    even: bool = True


def oldest_page(
    conn: Conn, asset: AssetConfig, limit: int, since: datetime | None, passing: int, before: datetime | None
) -> Selected | None:
    """The oldest rows; None where there are none. Rows that are set aside, or hold no wallet, are passed over.

    `since`: from that `updated_at` on, which keeps the select fast while some open snapshot keeps the rows of this lap from being cleaned
    away; `passing`: so many rows of that very time are under way already. `before`: only rows older than that.

    Which of many rows of one age come first is left to the index: to sort a million placeholders for each page would cost seconds.
    """
    found = _oldest(conn, asset, limit, since, passing, before, sql.SQL("true"))
    if found is None or _are_wallets(found):
        return found
    # To check each row there takes Postgres as long as all else of a select, and hardly ever finds one.
    return _oldest(conn, asset, limit, since, passing, before, is_wallet(sql.SQL("h.wallet")))


def _are_wallets(page: Selected) -> bool:
    """Whether the text holds wallets alone: each `0x` and 40 digits, since that many of each character come in that many pieces."""
    text, count = page.wallets, page.count
    digits = text.startswith("0x") and text.count("x") == count and text.count(",0x") == count - 1 and text.count(",") == count - 1
    return digits and page.even and ZERO not in text and not text.encode().translate(None, b"0123456789abcdefx,")


def _oldest(
    conn: Conn,
    asset: AssetConfig,
    limit: int,
    since: datetime | None,
    passing: int,
    before: datetime | None,
    valid: sql.Composable,
) -> Selected | None:
    query = sql.SQL(
        """
        with o as materialized (
            select h.wallet, h.updated_at from {table} h
            where {valid} and not exists (
                select from trueup_set_aside s where s.table_name = %(name)s and s.row_key = h.wallet) {since} {before}
            order by h.updated_at limit %(limit)s offset %(passing)s
        ), last as materialized (select max(updated_at) as updated_at from o)
        select string_agg(o.wallet, ','), count(*), (select {time} from last h),
            count(*) filter (where o.updated_at = (select updated_at from last)), bool_and(octet_length(o.wallet) = 42)
        from o having count(*) > 0
        """
    ).format(
        table=table(asset.table),
        valid=valid,
        time=SAFE_TIME,
        since=sql.SQL("and h.updated_at >= %(since)s" if since is not None else ""),
        before=sql.SQL("and h.updated_at < %(before)s" if before is not None else ""),
    )
    values = {"name": asset.table, "limit": limit, "passing": passing, "since": since, "before": before}
    row = conn.execute(query, values).fetchone()
    return None if row is None else Selected(*row)


def write_page(conn: Conn, reading: PageReading, assets: Mapping[str, AssetConfig], clock: Clock) -> PageResult:
    """Write a page's sums in one transaction, or refuse all of them as `write.write` would; `clock` is the
    monotonic one, for their age."""
    return until_not_overtaken(conn, lambda: _page(conn, reading, assets, clock))


def _page(conn: Conn, reading: PageReading, assets: Mapping[str, AssetConfig], clock: Clock) -> PageResult:
    asset = assets[reading.page.asset]
    branch = chain.share_branches(conn, [asset.chain])[asset.chain]
    found = load_marks(conn, [asset.name], assets)
    marks = found.get(asset.name)
    block = reading.block, reading.block_hash
    closed = None if marks is None else marks.last_block
    if reading.branch < branch or (is_closed(marks, reading.block) and chain.unknown(conn, asset.chain, [block])):
        return PageResult(None, branch, closed)
    updated = _write(conn, asset, reading, clock)
    check_not_overtaken(conn, found, assets)
    chain.remember(conn, asset.chain, [block])
    return PageResult(updated, branch, closed)


def _decimals(balances: str) -> str:
    return ",".join([str(int(balance, 16)) for balance in balances.split(",")])


def _write(conn: Conn, asset: AssetConfig, reading: PageReading, clock: Clock) -> int:
    values: dict[str, Any] = {
        "wallets": "{" + reading.wallets + "}",
        "balances": "{" + (reading.balances if conn.info.server_version >= READS_HEX else _decimals(reading.balances)) + "}",
        "block": reading.block,
    }
    statement = UPSERT
    if asset.track == "table":
        lock_named(conn, asset, values["wallets"])
        statement = UPDATE
    values["age"] = max(0.0, clock() - reading.read_at)
    read_at, newer = READ_AT.format(sql.Placeholder("age")), NEWER.format(sql.Placeholder("block"))
    query = statement.format(table=table(asset.table), clock=CLOCK, read_at=read_at, newer=newer, input=INPUT)
    row = conn.execute(query, values).fetchone()
    return int(row[0]) if row else 0
