"""How old an asset's rows are, without reading them all: a bounded cost on a table of any size.

The oldest row is found by the index on `updated_at`. The rest is counted from whole pages, all of a small table, else a random choice of
them: rows that were written together share pages, so it takes many pages rather than many rows (`tablesample bernoulli` would choose rows,
and read every page). Ages are differences of moments: `updated_at` is the database's local time, and becomes one by its time zone, so that
a change of the clocks ages no row by an hour. Rows of the hour that comes twice count as its second.
"""

from __future__ import annotations

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
MOST_OTHERS = 1000  # rows that hold no wallet, and that nobody sweeps
PLACEHOLDER = -1
FIRST_AGE = sql.SQL("timestamp '1970-01-02'")
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
    values = {"name": asset.table}
    oldest = within_time(conn, STATEMENT_MS, lambda: _oldest(conn, asset, values))
    counted = within_time(conn, STATEMENT_MS, lambda: _count(conn, asset, values, pages))
    if counted is None:
        return None if oldest is None else Ages(max_secs=oldest)
    return Ages(*counted[:3], max_secs=oldest, sampled=counted[3])


def _oldest(conn: Conn, asset: AssetConfig, values: dict[str, str]) -> float | None:
    # What is no wallet is sifted out afterwards: without statistics Postgres would take that for so rare that it sorted the whole table.
    query = sql.SQL(
        """
        select greatest(0, {age}) from (
            select h.wallet, h.updated_at from {table} h where h.updated_at >= {first} and {swept} order by h.updated_at limit {most}) h
        where {valid} order by h.updated_at limit 1
        """
    ).format(
        age=AGE,
        table=table(asset.table),
        first=FIRST_AGE,
        swept=SWEPT,
        most=sql.Literal(MOST_OTHERS),
        valid=is_wallet(sql.SQL("h.wallet")),
    )
    row = conn.execute(query, values).fetchone()
    return None if row is None else float(row[0])


def _count(conn: Conn, asset: AssetConfig, values: dict[str, str], pages: int) -> tuple[tuple[tuple[int, int], ...], int, int, bool]:
    """Counts by bucket, rows with an age, placeholders, and whether that is from a sample."""
    found = conn.execute(SIZE, [table(asset.table).as_string(conn)]).fetchone()
    size = _Size(*found) if found else _Size(0, 0, 0)
    share = min(1.0, pages / size.pages) if size.pages else 1.0
    # Without the clause where all is counted: Citus does not have it.
    sample = sql.SQL("" if share == 1 else "tablesample system ({})").format(sql.Literal(100 * share))
    query = sql.SQL(
        """
        select case when h.updated_at < {first} then {placeholder}
            else floor({step} * ln(greatest(1, {age})))::int end as bucket, count(*)
        from {table} h {sample} where {swept} group by 1 order by 1
        """
    ).format(
        first=FIRST_AGE,
        placeholder=sql.Literal(PLACEHOLDER),
        step=sql.Literal(BUCKETS_AN_E_FOLD),
        age=AGE,
        table=table(asset.table),
        sample=sample,
        swept=SWEPT,
    )
    counts = {int(bucket): int(rows) for bucket, rows in conn.execute(query, values)}
    placeholders, with_age = counts.pop(PLACEHOLDER, 0), sum(counts.values())
    ordered = tuple(counts.items())
    if share == 1:
        return ordered, with_age, placeholders, False
    all_rows, known = size.rows(placeholders + with_age, share), _few_placeholders(conn, asset)
    if known is None:
        known = round(all_rows * placeholders / max(1, placeholders + with_age))
    return ordered, max(0, round(all_rows) - known), known, True


def _few_placeholders(conn: Conn, asset: AssetConfig) -> int | None:
    """How many there are; None where they are more than it takes a moment to count."""
    query = sql.SQL("select count(*) from (select from {} h where h.updated_at < {} limit {}) t")
    row = conn.execute(query.format(table(asset.table), FIRST_AGE, sql.Literal(COUNTED_PLACEHOLDERS + 1))).fetchone()
    return int(row[0]) if row and row[0] <= COUNTED_PLACEHOLDERS else None
