"""Pages of a sweep: the oldest rows as one text, and their sums written as one.

A page's wallets stay text from the select to the write, and Postgres builds and parses it: an object for each row would cost many times
what all else does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from psycopg import sql

from actors.config import AssetConfig
from actors.messages import PageReading, PageResult
from actors.store import chain
from actors.store.holders import ZERO, is_wallet, safe_time
from actors.store.marks import check_not_overtaken, is_closed, load_marks, until_not_overtaken
from actors.store.moving import CLOCK, INSERTED, NAMES, NEWER, OF_READING, VALUES, Clock, given, updated
from actors.store.names import table
from actors.store.postgres import Conn
from actors.store.rows import lock_named

LENGTH = 42  # characters of a wallet
READS_HEX = 160_000  # the first server version whose numeric takes 0x…
INPUT = sql.SQL(
    '(select r.wallet, r.balance, {shared} from unnest(%(wallets)s::text[], %(balance)s::numeric[]) r(wallet, balance) '
    'order by r.wallet collate "C") r'
).format(
    shared=sql.SQL(", ").join(
        sql.SQL("{}::" + column.kind + " as {}").format(sql.Placeholder(column.name), sql.Identifier(column.name)) for column in OF_READING
    )
)
UPSERT = sql.SQL(
    """
    with {clock}, w as (
        insert into {table} as h (wallet, {names})
        select r.wallet, {values} from {input}
        on conflict (wallet) do update set {inserted}
        returning h.read_block)
    select count(*) filter (where read_block = %(read_block)s) from w
    """
)
UPDATE = sql.SQL(
    """
    with {clock}, w as (
        update {table} h set {updated}
        from {input} where h.wallet = r.wallet
        returning h.read_block)
    select count(*) filter (where read_block = %(read_block)s) from w
    """
)
UPDATED = updated(NEWER)


@dataclass(frozen=True, slots=True)
class Selected:
    """A page: `wallets` joined by commas. `last` is the `updated_at` of its newest row, which `ties` of its rows have."""

    wallets: str
    count: int
    last: datetime
    ties: int


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
    """Whether the text holds wallets alone: `0x` and 40 digits each, all of them as long, and none of them zero."""
    text, commas = page.wallets, "," * (page.count - 1)
    if len(text) != LENGTH * page.count + len(commas) or text[LENGTH :: LENGTH + 1] != commas:
        return False
    begin = text[:: LENGTH + 1] + text[1 :: LENGTH + 1] == "0" * page.count + "x" * page.count
    digits = text.count(",") == len(commas) and text.count("x") == page.count and ZERO not in text
    return begin and digits and not text.encode().translate(None, b"0123456789abcdefx,")


def _oldest(
    conn: Conn,
    asset: AssetConfig,
    limit: int,
    since: datetime | None,
    passing: int,
    before: datetime | None,
    valid: sql.Composable,
) -> Selected | None:
    """See `oldest_page`. Each row is handled once, in the order of the index: to keep the rows, so as to find their newest time before their
    ties are counted, takes half as long as all else. And where nothing is set aside, which the statement looks up first, no row is compared
    with what is.
    """
    query = sql.SQL(
        """
        select p.wallets, p.count, {time}, cardinality(array_positions(p.times, p.times[p.count]))
        from (
            select string_agg(o.wallet, ',') as wallets, count(*)::int as count, array_agg(o.updated_at) as times
            from (
                select h.wallet, h.updated_at from {table} h
                where {valid} and ((select not exists (select from trueup_set_aside s where s.table_name = %(name)s)) or not exists (
                    select from trueup_set_aside s where s.table_name = %(name)s and s.row_key = h.wallet)) {since} {before}
                order by h.updated_at limit %(limit)s offset %(passing)s
            ) o
        ) p where p.count > 0
        """
    ).format(
        table=table(asset.table),
        valid=valid,
        time=safe_time(sql.SQL("p.times[p.count]")),
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
    wallets = "{" + reading.wallets + "}"
    balances = reading.balances if conn.info.server_version >= READS_HEX else _decimals(reading.balances)
    statement = UPSERT
    if asset.track == "table":
        lock_named(conn, asset, wallets)
        statement = UPDATE
    query = statement.format(
        table=table(asset.table), clock=CLOCK, input=INPUT, names=NAMES, values=VALUES, inserted=INSERTED, updated=UPDATED
    )
    row = conn.execute(query, {"wallets": wallets, "balance": "{" + balances + "}", **given(reading, clock())}).fetchone()
    return int(row[0]) if row else 0
