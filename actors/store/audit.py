"""Reading rows for the audit, and keeping what it found in `trueup_audit`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from psycopg import sql

from actors.audit.verdict import Drift, Now, Row, Selected
from actors.config import AssetConfig
from actors.store import holders
from actors.store.arrays import from_text, literal
from actors.store.holders import SAFE_TIME, is_wallet
from actors.store.names import table
from actors.store.postgres import Conn, within_time

KEPT = 10_000
MENDED = "mended"
OPEN_AT_ONCE = 1000
# `trim_scale`: a balance that was written as 5.0 is 5.
COLUMNS = sql.SQL("h.wallet, trim_scale(h.balance)::text, h.read_block, {time}::text, s.row_key is not null").format(time=SAFE_TIME)
SELECT = sql.SQL(
    """
    select {columns} from {table} h left join trueup_set_aside s on s.table_name = %(name)s and s.row_key = h.wallet
    where {where} and {valid} {order}
    """
)

RECORD = """
    insert into trueup_audit as a (table_name, wallet, balance, read_block, updated_at, chain_balance, block_hash, endpoints, branch, note)
    values (%s, %s, %s::numeric, %s, %s::timestamp, %s, %s, %s, %s, %s)
    on conflict (table_name, wallet, read_block, updated_at) do update set
        balance = excluded.balance, chain_balance = excluded.chain_balance, block_hash = excluded.block_hash,
        endpoints = excluded.endpoints, branch = excluded.branch, note = excluded.note, outcome = null, concluded_at = null
    """


def page(conn: Conn, asset: AssetConfig, after: str, limit: int) -> Selected:
    """Rows in wallet order, after the wallet `after` ("": from the first)."""
    where, order = sql.SQL("h.wallet > %(after)s"), sql.SQL("order by h.wallet limit %(limit)s")
    return _select(conn, asset, where, {"after": after, "limit": limit}, order)


def rows_of(conn: Conn, asset: AssetConfig, wallets: Iterable[str]) -> Selected:
    """The rows of these wallets, as far as there are any."""
    return _select(conn, asset, sql.SQL("h.wallet = any(%(wallets)s::text[])"), {"wallets": literal(wallets)})


def extent(conn: Conn, asset: AssetConfig) -> tuple[int, int]:
    """How many pages the table has, and the bytes of one: of a partitioned one, as many as its largest part."""
    row = conn.execute(
        """
        select coalesce(max(pg_relation_size(p.relid)), pg_relation_size(to_regclass(%(table)s)), 0), current_setting('block_size')::int
        from pg_partition_tree(to_regclass(%(table)s)) p
        """,
        {"table": table(asset.table).as_string(conn)},
    ).fetchone()
    assert row is not None
    return int(row[0]) // int(row[1]), int(row[1])


def at_places(conn: Conn, asset: AssetConfig, places: Sequence[tuple[int, int]]) -> Selected:
    """The rows that stand at places of the table, see `audit.sample`; of a partitioned one, of each of its parts."""
    tids = "{" + ",".join([f'"({page},{place})"' for page, place in places]) + "}"
    return _select(conn, asset, sql.SQL("h.ctid = any(%(tids)s::tid[])"), {"tids": tids})


def bernoulli(conn: Conn, asset: AssetConfig, rows: int) -> Selected:
    """About so many rows of a table that has no pages of its own, a foreign or distributed one: each is as likely, but all are read."""
    share = min(1.0, rows / max(1, holders.count(conn, asset)))
    return _select(conn, asset, sql.SQL("random() < %(share)s"), {"share": share})


def bernoulli_within(conn: Conn, asset: AssetConfig, rows: int, most_ms: int) -> Selected | None:
    """As `bernoulli`; None where Postgres takes longer over a statement."""
    return within_time(conn, most_ms, lambda: bernoulli(conn, asset, rows))


def _select(conn: Conn, asset: AssetConfig, where: sql.Composable, values: dict[str, Any], order: sql.Composable = sql.SQL("")) -> Selected:
    query = SELECT.format(columns=COLUMNS, table=table(asset.table), where=where, valid=is_wallet(sql.SQL("h.wallet")), order=order)
    branch = _branch(conn, asset)  # first: a reorg in between is one since
    return Selected([Row(*row) for row in conn.execute(query, {"name": asset.table, **values})], branch)


def _branch(conn: Conn, asset: AssetConfig) -> int:
    row = conn.execute("select branch from trueup_chains where chain = %s", [asset.chain]).fetchone()
    return int(row[0]) if row else 0


def look_again(conn: Conn, asset: AssetConfig, wallets: Sequence[str], blocks: Iterable[int], checkpoints: Sequence[str]) -> Now:
    """How rows stand that were found wrong at these blocks; `checkpoints`: the names of all of the chain. The branch is read last: a reorg
    forgets its blocks when its rows are mended.
    """
    rows = {row.wallet: row for row in rows_of(conn, asset, wallets).rows}
    found = conn.execute(
        "select number, array_agg(hash) from trueup_blocks where chain = %s and number = any(%s::bigint[]) group by number",
        [asset.chain, literal(sorted(set(blocks)))],
    )
    remembered = {int(number): frozenset(hashes) for number, hashes in found}
    notes = {}
    tracked = holders.look_up(conn, asset, [from_text(wallet) for wallet in rows])
    for wallet, row in rows.items():
        state = tracked.get(from_text(wallet))
        said = [*(["set aside"] if row.aside else []), *([] if state is not None and state.tracked else ["not tracked"])]
        notes[wallet] = ", ".join(said)
    return Now(rows, _branch(conn, asset), remembered, notes, _newest(conn, asset, checkpoints))


def _newest(conn: Conn, asset: AssetConfig, checkpoints: Sequence[str]) -> int:
    """The newest block of the chain that trueup, or who kept its checkpoints before, has ever read at or closed; 0 where there is none."""
    row = conn.execute(
        """
        select greatest(0, (select max(number) from trueup_blocks where chain = %s),
            (select max(greatest(last_block, confirmed)) from eth_indexer_checkpoints where name = any(%s)))
        """,
        [asset.chain, list(checkpoints)],
    ).fetchone()
    return int(row[0]) if row else 0


# What was found.


def record(conn: Conn, asset: AssetConfig, drifts: Sequence[Drift]) -> None:
    """Keep the evidence of wrong rows, the newest 10,000 of all tables. Recorded again it is one and the same, and open again."""
    kept = sorted(drifts, key=lambda drift: drift.row.wallet)[:KEPT]
    with conn.transaction():
        conn.cursor().executemany(RECORD, [_evidence(asset, drift) for drift in kept])
        conn.execute("delete from trueup_audit where id <= (select id from trueup_audit order by id desc offset %s limit 1)", [KEPT])


def _evidence(asset: AssetConfig, drift: Drift) -> list[Any]:
    row = drift.row
    own = [asset.table, row.wallet, row.balance, row.read_block, row.updated_at]
    return [*own, drift.chain_balance, drift.block_hash, ", ".join(drift.endpoints), drift.branch, drift.note]


def unmended(conn: Conn, asset: AssetConfig) -> list[str]:
    """The wallets of recorded rows whose mending has no outcome yet."""
    query = "select distinct wallet from trueup_audit where table_name = %s and outcome is null order by wallet limit %s"
    return [str(wallet) for (wallet,) in conn.execute(query, [asset.table, OPEN_AT_ONCE])]


def conclude(conn: Conn, asset: AssetConfig, outcomes: Sequence[tuple[str, str]]) -> int:
    """Note what became of wallets' recorded rows that have no outcome yet, as (wallet, outcome). How many were mended by that."""
    found = conn.execute(
        """
        update trueup_audit a set outcome = o.outcome, concluded_at = clock_timestamp()
        from unnest(%s::text[], %s::text[]) o(wallet, outcome)
        where a.table_name = %s and a.wallet = o.wallet and a.outcome is null
        returning a.outcome
        """,
        [[wallet for wallet, _ in outcomes], [outcome for _, outcome in outcomes], asset.table],
    )
    return sum(outcome == MENDED for (outcome,) in found)
