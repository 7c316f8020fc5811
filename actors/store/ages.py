"""How old an asset's rows are, without reading them all: a bounded cost on a table of any size.

The oldest row is found by the index on `updated_at`. The rest is counted from whole pages, all of a small table, else a random choice of
them: rows that were written together share pages, so it takes many pages rather than many rows (`tablesample bernoulli` would choose rows,
and read every page). Ages are differences of moments: `updated_at` is the database's local time, and becomes one by its time zone, so that
a change of the clocks ages no row by an hour. Rows of the hour that comes twice count as its second.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from psycopg import sql

from actors.age.ages import BUCKETS_AN_E_FOLD, Ages
from actors.config import AssetConfig
from actors.store.holders import SAFE_TIME, is_wallet
from actors.store.names import table
from actors.store.postgres import Conn, within_time

PAGES = 2000  # 16 MB: about 130,000 rows
STATEMENT_MS = 2000
COUNTED_PLACEHOLDERS = 10_000
FIRST_PAGE = 1000
PLACEHOLDER, NO_WALLET = -1, -2  # the latter nobody sweeps
FIRST_MOMENT = "1970-01-02"
FIRST_AGE = sql.SQL("timestamp {}").format(sql.Literal(FIRST_MOMENT))
AGE = sql.SQL("date_part('epoch', now() - ({})::timestamptz)").format(SAFE_TIME)
# A row that is set aside is passed over by the sweep, and shown as that.
SWEPT = sql.SQL("not exists (select from trueup_set_aside s where s.table_name = %(name)s and s.row_key = h.wallet)")
# Of a partitioned table its partitions; of one that is distributed by Citus nothing is here, and it is counted as a small one.
SIZE = """
with recursive tree as (
    select to_regclass(%s)::oid as oid union all select i.inhrelid from pg_inherits i join tree on i.inhparent = tree.oid)
select coalesce(sum(pg_relation_size(c.oid)) / current_setting('block_size')::int, 0)::bigint,
    coalesce(sum(greatest(c.reltuples, 0)), 0)::float8, coalesce(sum(c.relpages), 0)::bigint
from pg_class c join tree using (oid) where c.relkind <> 'p'
"""


@dataclass(frozen=True, slots=True)
class _Size:
    """A table's pages now, and rows and pages when Postgres counted them last."""

    pages: int
    counted_rows: float
    counted_pages: int

    def rows(self, sampled_rows: int, share: float) -> float:
        """As the planner estimates: by the density that was counted, else by the sample's."""
        if self.counted_rows and self.counted_pages:
            return self.counted_rows / self.counted_pages * self.pages
        return sampled_rows / share


def measure(conn: Conn, asset: AssetConfig, pages: int = PAGES) -> Ages | None:
    """The ages of the rows that a sweep takes. Each statement has two seconds: what takes longer is left out, and None; None where that is
    all of it.
    """
    oldest = within_time(conn, STATEMENT_MS, lambda: _oldest(conn, asset))
    counted = within_time(conn, STATEMENT_MS, lambda: _count(conn, asset, pages))
    if counted is None:
        return None if oldest is None else Ages(max_secs=oldest)
    return Ages(*counted[:3], max_secs=oldest, sampled=counted[3])


def _oldest(conn: Conn, asset: AssetConfig) -> float | None:
    """None where there is none, and where rows that hold no wallet take up the time: the pages of the oldest rows double, so that a
    million of them, of one `updated_at` even, are passed in some ten.
    """
    ends, most, since, passing = time.monotonic() + STATEMENT_MS / 1000, FIRST_PAGE, FIRST_MOMENT, 0
    while time.monotonic() < ends:
        age, rows, last, ties = _page(conn, asset, most, since, passing)
        if age is not None or rows < most:
            return age
        passing = ties + (passing if last == since else 0)
        most, since = 2 * most, last
    return None


def _page(conn: Conn, asset: AssetConfig, most: int, since: str, passing: int) -> tuple[float | None, int, str, int]:
    """Of so many rows from `since` on, less so many of that very time: the oldest wallet's age, their count, the newest `updated_at` as
    text (Python has no infinity), and how many have it.
    """
    # What is no wallet is sifted out afterwards: without statistics Postgres would take that for so rare that it sorted the whole table.
    query = sql.SQL(
        """
        with o as materialized (
            select h.wallet, h.updated_at from {table} h where h.updated_at >= %(since)s::timestamp and {swept}
            order by h.updated_at limit {most} offset {passing})
        select (select greatest(0, {age}) from o h where {valid} order by h.updated_at limit 1), count(*), max(o.updated_at)::text,
            count(*) filter (where o.updated_at = (select max(updated_at) from o)) from o
        """
    ).format(
        age=AGE,
        table=table(asset.table),
        swept=SWEPT,
        most=sql.Literal(most),
        passing=sql.Literal(passing),
        valid=is_wallet(sql.SQL("h.wallet")),
    )
    row = conn.execute(query, {"name": asset.table, "since": since}).fetchone()
    assert row is not None  # an aggregate's
    return row[0] if row[0] is None else float(row[0]), int(row[1]), str(row[2]), int(row[3])


def _count(conn: Conn, asset: AssetConfig, pages: int) -> tuple[tuple[tuple[int, int], ...], int, int, bool]:
    """Counts by bucket, rows with an age, placeholders, and whether that is from a sample."""
    found = conn.execute(SIZE, [table(asset.table).as_string(conn)]).fetchone()
    size = _Size(*found) if found else _Size(0, 0, 0)
    share = min(1.0, pages / size.pages) if size.pages else 1.0
    counts = _buckets(conn, asset, share)
    others, placeholders, with_age = counts.pop(NO_WALLET, 0), counts.pop(PLACEHOLDER, 0), sum(counts.values())
    ordered = tuple(counts.items())
    if share == 1:
        return ordered, with_age, placeholders, False
    wallets = placeholders + with_age
    all_rows, known = size.rows(others + wallets, share) * wallets / max(1, others + wallets), _few_placeholders(conn, asset)
    if known is None:
        known = round(all_rows * placeholders / max(1, wallets))
    return ordered, max(0, round(all_rows) - known), known, True


def _buckets(conn: Conn, asset: AssetConfig, share: float) -> dict[int, int]:
    """How many rows of that share of the table's pages have each age."""
    # Without the clause where all is counted: Citus does not have it.
    sample = sql.SQL("" if share == 1 else "tablesample system ({})").format(sql.Literal(100 * share))
    query = sql.SQL(
        """
        select case when not {valid} then {no_wallet} when h.updated_at < {first} then {placeholder}
            else floor({step} * ln(greatest(1, {age})))::int end as bucket, count(*)
        from {table} h {sample} where {swept} group by 1 order by 1
        """
    ).format(
        first=FIRST_AGE,
        placeholder=sql.Literal(PLACEHOLDER),
        no_wallet=sql.Literal(NO_WALLET),
        valid=is_wallet(sql.SQL("h.wallet")),
        step=sql.Literal(BUCKETS_AN_E_FOLD),
        age=AGE,
        table=table(asset.table),
        sample=sample,
        swept=SWEPT,
    )
    return {int(bucket): int(rows) for bucket, rows in conn.execute(query, {"name": asset.table})}


def _few_placeholders(conn: Conn, asset: AssetConfig) -> int | None:
    """How many there are; None where they are more than it takes a moment to count."""
    query = sql.SQL("select count(*) from (select from {} h where h.updated_at < {} limit {}) t")
    row = conn.execute(query.format(table(asset.table), FIRST_AGE, sql.Literal(COUNTED_PLACEHOLDERS + 1))).fetchone()
    return int(row[0]) if row and row[0] <= COUNTED_PLACEHOLDERS else None
