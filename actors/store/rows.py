"""Writing an asset's rows.

`balance`, `read_block` and `updated_at` move together, where the reading is not older than the row, or where
a repair finds the row as it left it. `blocknumber` moves by its own rule in the same statement: up to the
event's block; a repair first lowers it to the fork. One row a wallet in a statement, locked in wallet order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from psycopg import sql

from actors.config import AssetConfig
from actors.messages import Covered, Reading, Touch
from actors.store.arrays import literal, text, texts, times
from actors.store.holders import SAFE_TIME
from actors.store.names import table
from actors.store.postgres import Conn

# The database's local time at which a value of that age was asked for. Its clock is read once, as the statement begins, and the age
# taken just before: a row that somebody else holds may make the statement wait, and the transaction has waited for others before.
CLOCK = sql.SQL("t as materialized (select clock_timestamp() as at)")
READ_AT = sql.SQL("((select t.at from t) - make_interval(secs => {}))::timestamp")
Clock = Callable[[], float]
# Whether a reading at that block is not older than the row.
NEWER = sql.SQL("(h.read_block is null or {} >= h.read_block)")
INPUT = sql.SQL(
    "unnest(%(wallet)s::text[], %(balance)s::numeric[], %(block)s::bigint[], %(event)s::bigint[], %(age)s::float8[], "
    "%(fork)s::bigint[], %(was_block)s::bigint[], %(was_at)s::timestamp[]) "
    "r(wallet, balance, block, event, age, fork, was_block, was_at)"
)
UPSERT = sql.SQL(
    """
    with {clock}
    insert into {table} as h (wallet, balance, blocknumber, read_block, updated_at)
    select r.wallet, r.balance, r.event, r.block, {read_at} from {input} order by r.wallet collate "C"
    on conflict (wallet) do update set
        balance = case when {moves} then excluded.balance else h.balance end,
        read_block = case when {moves} then excluded.read_block else h.read_block end,
        updated_at = case when {moves} then excluded.updated_at else h.updated_at end,
        blocknumber = greatest(h.blocknumber, excluded.blocknumber)
    returning h.wallet, h.read_block
    """
)
UPDATE = sql.SQL(
    """
    with {clock}
    update {table} h set
        balance = case when {moves} then r.balance else h.balance end,
        read_block = case when {moves} then r.block else h.read_block end,
        updated_at = case when {moves} then {read_at} else h.updated_at end,
        blocknumber = greatest(case when r.fork < h.blocknumber then r.fork else h.blocknumber end, r.event)
    from {input} where h.wallet = r.wallet
    returning h.wallet, h.read_block
    """
)
NEWER_OR_REPAIR = sql.SQL("({newer} or (h.read_block = r.was_block and {time} = r.was_at))").format(
    newer=NEWER.format(sql.SQL("r.block")), time=SAFE_TIME
)
COVER = sql.SQL(
    """
    update {table} h set
        blocknumber = greatest(case when r.fork < h.blocknumber then r.fork else h.blocknumber end, r.event)
    from unnest(%(wallet)s::text[], %(event)s::bigint[], %(fork)s::bigint[]) r(wallet, event, fork)
    where h.wallet = r.wallet
    """
)


def write_readings(conn: Conn, asset: AssetConfig, readings: Sequence[Reading], clock: Clock) -> frozenset[bytes]:
    """Write readings, each wallet's once; `clock` is the monotonic one, for their ages. The wallets whose
    value was stored.
    """
    plain = {r.touch.wallet: r for r in readings if r.touch.repair is None and asset.track != "table"}
    others = {r.touch.wallet: r for r in readings if r.touch.wallet not in plain}
    blocks: dict[str, int | None] = {}
    if others:
        lock(conn, asset, [r.touch.wallet for r in readings])
        blocks |= _execute(conn, asset, UPDATE, NEWER_OR_REPAIR, list(others.values()), clock)
        if asset.track != "table":  # a row that was deleted before its repair is a wallet like any other
            plain |= {wallet: r for wallet, r in others.items() if text(wallet) not in blocks}
    if plain:
        blocks |= _execute(conn, asset, UPSERT, NEWER.format(sql.SQL("excluded.read_block")), list(plain.values()), clock)
    # A value was stored where, and only where, the row now names the reading's block.
    return frozenset(r.touch.wallet for r in readings if blocks.get(text(r.touch.wallet)) == r.block)


def _execute(
    conn: Conn,
    asset: AssetConfig,
    statement: sql.SQL,
    moves: sql.Composable,
    readings: Sequence[Reading],
    clock: Clock,
) -> dict[str, int | None]:
    """The rows that the statement reached, with their `read_block` now."""
    query = statement.format(table=table(asset.table), input=INPUT, clock=CLOCK, read_at=READ_AT.format(sql.SQL("r.age")), moves=moves)
    return dict(conn.execute(query, _columns(readings, clock())).fetchall())


def _columns(readings: Sequence[Reading], now: float) -> dict[str, Any]:
    repairs = [r.touch.repair for r in readings]
    return {
        "wallet": texts(r.touch.wallet for r in readings),
        "balance": literal(r.balance for r in readings),
        "block": literal(r.block for r in readings),
        "event": literal(r.touch.event_block for r in readings),
        "age": literal(max(0.0, now - r.read_at) for r in readings),
        "fork": literal(repair.fork if repair else None for repair in repairs),
        "was_block": literal(repair.was_block if repair else None for repair in repairs),
        "was_at": times(repair.was_updated_at if repair else None for repair in repairs),
    }


def write_covered(conn: Conn, asset: AssetConfig, covered: Sequence[Covered]) -> None:
    """Raise `blocknumber` of rows whose value is new enough already."""
    events: dict[bytes, int | None] = {}
    forks: dict[bytes, int | None] = {}
    for touch in [c.touch for c in covered if _moves_blocknumber(c.touch)]:
        events[touch.wallet] = max((b for b in (events.get(touch.wallet), touch.event_block) if b is not None), default=None)
        forks[touch.wallet] = touch.repair.fork if touch.repair else forks.get(touch.wallet)
    if not events:
        return
    wallets = sorted(events)
    lock(conn, asset, wallets)
    columns = {
        "wallet": texts(wallets),
        "event": literal(events[w] for w in wallets),
        "fork": literal(forks[w] for w in wallets),
    }
    conn.execute(COVER.format(table=table(asset.table)), columns)


def lower_unrepaired(conn: Conn, asset: AssetConfig, touches: Sequence[Touch]) -> None:
    """Rows whose repair failed: an orphaned value stays for now, but from the fork on any reading may replace it."""
    own = sorted((t for t in touches if t.repair is not None), key=lambda t: t.wallet)
    if not own:
        return
    lock(conn, asset, [touch.wallet for touch in own])
    query = sql.SQL(
        """
        update {table} h set read_block = r.fork
        from unnest(%(wallet)s::text[], %(fork)s::bigint[], %(was_block)s::bigint[], %(was_at)s::timestamp[])
            r(wallet, fork, was_block, was_at)
        where h.wallet = r.wallet and h.read_block = r.was_block and {time} = r.was_at and r.fork < h.read_block
        """
    ).format(table=table(asset.table), time=SAFE_TIME)
    columns = {
        "wallet": texts(touch.wallet for touch in own),
        "fork": literal(touch.repair.fork for touch in own if touch.repair),
        "was_block": literal(touch.repair.was_block for touch in own if touch.repair),
        "was_at": times(touch.repair.was_updated_at for touch in own if touch.repair),
    }
    conn.execute(query, columns)


def _moves_blocknumber(touch: Touch) -> bool:
    return touch.event_block is not None or touch.repair is not None


def lock(conn: Conn, asset: AssetConfig, wallets: Sequence[bytes]) -> None:
    """Lock rows in wallet order, since an UPDATE takes them in any; two writers would wait for each other."""
    lock_named(conn, asset, texts(sorted(wallets)))


def lock_named(conn: Conn, asset: AssetConfig, wallets: str) -> None:
    """As `lock`, of wallets in an array literal."""
    query = sql.SQL('select 1 from {} where wallet = any(%s::text[]) order by wallet collate "C" for no key update')
    conn.execute(query.format(table(asset.table)), [wallets])
