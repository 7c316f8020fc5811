"""Writing an asset's rows.

The columns of `moving` move together, where the reading is not older than the row, or where a repair finds the row as it left it. `blocknumber` moves by its own rule in the same statement: up to the
event's block; a repair first lowers it to the fork. One row a wallet in a statement, locked in wallet order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from psycopg import sql

from actors.config import AssetConfig
from actors.messages import Covered, Reading, Touch
from actors.store.arrays import literal, nulls, text, texts, times
from actors.store.holders import SAFE_TIME
from actors.store.moving import CLOCK, COLUMNS, INSERTED, NAMES, NEWER, OF_READING, VALUES, Clock, updated
from actors.store.names import put_together, table
from actors.store.postgres import Conn

INPUT = sql.SQL("unnest(%(wallet)s::text[], {arrays}, %(event)s::bigint[], %(fork)s::bigint[], %(was_block)s::bigint[], %(was_at)s::timestamp[]) "
    "r(wallet, {names}, event, fork, was_block, was_at)"
).format(
    arrays=sql.SQL(", ").join(sql.SQL("{}::" + column.kind + "[]").format(sql.Placeholder(column.name)) for column in COLUMNS), names=NAMES
)
UPSERT = sql.SQL(
    """
    with {clock}
    insert into {table} as h (wallet, {names}, blocknumber)
    select r.wallet, {values}, r.event from {input} order by r.wallet collate "C"
    on conflict (wallet) do update set {moved}, blocknumber = greatest(h.blocknumber, excluded.blocknumber)
    returning h.wallet, h.read_block
    """
)
UPDATE = sql.SQL(
    """
    with {clock}
    update {table} h set {moved},
        blocknumber = greatest(case when r.fork < h.blocknumber then r.fork else h.blocknumber end, r.event)
    from {input} where h.wallet = r.wallet
    returning h.wallet, h.read_block
    """
)
NEWER_OR_REPAIR = sql.SQL("({newer} or (h.read_block = r.was_block and {time} = r.was_at))").format(newer=NEWER, time=SAFE_TIME)
UPDATED = updated(NEWER_OR_REPAIR)
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
        blocks |= _execute(conn, _update(asset.table), list(others.values()), clock)
        if asset.track != "table":  # a row that was deleted before its repair is a wallet like any other
            plain |= {wallet: r for wallet, r in others.items() if text(wallet) not in blocks}
    if plain:
        blocks |= _execute(conn, _upsert(asset.table), list(plain.values()), clock)
    # A value was stored where, and only where, the row now names the reading's block.
    return frozenset(r.touch.wallet for r in readings if blocks.get(text(r.touch.wallet)) == r.block)


def _execute(conn: Conn, statement: sql.SQL, readings: Sequence[Reading], clock: Clock) -> dict[str, int | None]:
    """The rows that the statement reached, with their `read_block` now."""
    return dict(conn.execute(statement, _columns(readings, clock())).fetchall())


@lru_cache(maxsize=64)
def _upsert(name: str) -> sql.SQL:
    return put_together(UPSERT.format(table=table(name), input=INPUT, clock=CLOCK, names=NAMES, values=VALUES, moved=INSERTED))


@lru_cache(maxsize=64)
def _update(name: str) -> sql.SQL:
    return put_together(UPDATE.format(table=table(name), input=INPUT, clock=CLOCK, moved=UPDATED))


def _columns(readings: Sequence[Reading], now: float) -> dict[str, str]:
    repairs = [r.touch.repair for r in readings]
    none = nulls(len(repairs)) if not any(repairs) else None
    return {
        "wallet": texts(r.touch.wallet for r in readings),
        "balance": literal(r.balance for r in readings),
        **{column.name: literal(column.of(r, now) for r in readings) for column in OF_READING},
        "event": literal(r.touch.event_block for r in readings),
        "fork": none or literal(repair.fork if repair else None for repair in repairs),
        "was_block": none or literal(repair.was_block if repair else None for repair in repairs),
        "was_at": none or times(repair.was_updated_at if repair else None for repair in repairs),
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
