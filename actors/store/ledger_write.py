"""What becomes of ledger rows that were held: their balance or their error is written, and they are free again, by one statement each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from psycopg import sql

from actors.store.arrays import literal
from actors.store.ledger import ACTIVE, BALANCES
from actors.store.postgres import Conn
from actors.store.set_aside import DELAY, plain

FREED = sql.SQL("processing_status = 'idle', locked_by = null, locked_until = null")


@dataclass(frozen=True, slots=True)
class Balance:
    """A row's balance as texts, the wallet and asset that it is of, and the monotonic time at which it was asked for."""

    id: str
    locked_by: str
    wallet_id: str
    asset_id: str
    raw: str
    human: str
    read_at: float


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a row."""

    id: str
    locked_by: str
    error: str


# `r.active`: the row is to be written, and not just freed.
WRITE = sql.SQL(
    """
    with t as materialized (select clock_timestamp() as at), r as materialized (
        select g.*, t.at, b.wallet_id::text = g.wallet and b.asset_on_chain_id::text = g.asset and exists (
            select from asset_on_chain a join chains c on c.id = a.chain_id
            where a.id = b.asset_on_chain_id and {active_asset} and {active_chain}) as active
        from unnest(%(id)s::text[]::{kind}[], %(by)s::text[], %(wallet)s::text[], %(asset)s::text[], %(raw)s::text[],
            %(human)s::numeric[], %(age)s::float8[]) g(id, by, wallet, asset, raw, human, age)
        join {balances} b on b.id = g.id cross join t
    ), done as (
        update {balances} b set
            on_chain_balance_raw = case when r.active then r.raw else b.on_chain_balance_raw end,
            on_chain_balance_human = case when r.active then r.human else b.on_chain_balance_human end,
            last_checked = case when r.active then r.at - make_interval(secs => r.age) else b.last_checked end,
            last_processed_at = case when r.active then r.at else b.last_processed_at end,
            updated_at = case when r.active then r.at else b.updated_at end,
            sync_count = coalesce(b.sync_count, 0) + r.active::int,
            last_error = case when r.active then null else b.last_error end,
            last_error_at = case when r.active then null else b.last_error_at end,
            error_count = case when r.active then 0 else b.error_count end,
            {freed}
        from r where b.id = r.id and b.locked_by = r.by
        returning b.id::text as id, r.active
    ), gone as (
        delete from trueup_set_aside s using done where s.table_name = {name} and s.row_key = done.id and done.active
    )
    select id from done where active
    """
)
FAIL = sql.SQL(
    """
    with r as (
        select * from unnest(%(id)s::text[]::{kind}[], %(by)s::text[], %(error)s::text[]) r(id, by, error)
    ), done as (
        update {balances} b set last_error = r.error, last_error_at = clock_timestamp(),
            error_count = coalesce(b.error_count, 0) + 1, {freed}
        from r where b.id = r.id and b.locked_by = r.by returning b.id::text as id, r.error
    )
    insert into trueup_set_aside as s (table_name, row_key, block, error, attempts, next_attempt)
    select {name}, done.id, null, done.error, 1, clock_timestamp() + interval '10 s' from done
    on conflict (table_name, row_key) do update set
        error = excluded.error, attempts = s.attempts + 1, next_attempt = clock_timestamp() + {delay}
    """
)


def write(conn: Conn, id_type: str, balances: Sequence[Balance], clock: Callable[[], float]) -> set[str]:
    """Write balances and free their rows: the ids of those that were written. A row that is not held any more is left alone, and one
    whose asset or chain is inactive by now, or that names another wallet or asset, is only freed.
    """
    now = clock()
    given = {
        "id": [balance.id for balance in balances],
        "by": [balance.locked_by for balance in balances],
        "wallet": [balance.wallet_id for balance in balances],
        "asset": [balance.asset_id for balance in balances],
        "raw": literal(balance.raw for balance in balances),
        "human": literal(balance.human for balance in balances),
        "age": literal(max(0.0, now - balance.read_at) for balance in balances),
    }
    active = {f"active_{name}": ACTIVE.format(sql.Identifier(name[0])) for name in ("asset", "chain")}
    return {str(number) for (number,) in conn.execute(_of(WRITE, id_type, **active), given)}


def fail(conn: Conn, id_type: str, faults: Sequence[Fault]) -> None:
    """Write what is wrong with rows, free them, and set them aside until their next attempt."""
    given = {
        "id": [fault.id for fault in faults],
        "by": [fault.locked_by for fault in faults],
        "error": [plain(fault.error) for fault in faults],
    }
    conn.execute(_of(FAIL, id_type, delay=sql.SQL(DELAY)), given)


def _of(statement: sql.SQL, id_type: str, **more: sql.Composable) -> sql.Composed:
    return statement.format(
        balances=sql.Identifier(BALANCES), name=sql.Literal(BALANCES), kind=sql.SQL(id_type), freed=FREED, **more
    )


def put_aside(conn: Conn, row: str, error: str) -> None:
    """Set a row aside that takes no update at all: only when its next attempt is due is it claimed again."""
    query = sql.SQL(
        """
        insert into trueup_set_aside as s (table_name, row_key, block, error, attempts, next_attempt)
        values (%s, %s, null, %s, 1, clock_timestamp() + interval '10 s')
        on conflict (table_name, row_key) do update set
            error = excluded.error, attempts = s.attempts + 1, next_attempt = clock_timestamp() + {delay}
        """
    ).format(delay=sql.SQL(DELAY))
    conn.execute(query, [BALANCES, row, plain(error)])


def free(conn: Conn, id_type: str, held: Sequence[tuple[str, str]]) -> int:
    """Free rows (id, locked_by) that nothing was found out about: how many were still held."""
    query = sql.SQL(
        """
        update {balances} b set {freed}
        from unnest(%s::text[]::{kind}[], %s::text[]) r(id, by) where b.id = r.id and b.locked_by = r.by
        """
    ).format(balances=sql.Identifier(BALANCES), kind=sql.SQL(id_type), freed=FREED)
    return conn.execute(query, [[number for number, _ in held], [by for _, by in held]]).rowcount
