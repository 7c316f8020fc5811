"""Wallets that failed alone, kept in `trueup_set_aside` until their next attempt: 10 s at first, doubling up
to a day.

`block` is the block of the newest event that waits for the wallet's value (NULL: none does).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from actors.config import AssetConfig
from actors.messages import Failed, Raised
from actors.secrets import mask
from actors.store.arrays import from_text, literal, text
from actors.store.postgres import Conn

ERROR_LENGTH = 500
NO_ERROR_YET = "touched while it was set aside"
# 10 s times 2 to the 14th is more than a day: beyond that the power would only overflow.
DELAY = "least(interval '1 day', interval '10 s' * power(2, least(s.attempts, 14)))"


@dataclass(frozen=True, slots=True)
class Due:
    """A set-aside row whose next attempt is due."""

    table: str
    wallet: bytes
    block: int | None


def put(conn: Conn, failed: Sequence[Failed], assets: Mapping[str, AssetConfig]) -> None:
    """Set wallets aside. A failure before the next attempt was due is a redelivery: it does not double the
    delay.
    """
    newest = _merged((assets[f.touch.asset].table, text(f.touch.wallet), f.touch.event_block, f.error) for f in failed)
    if not newest:
        return
    conn.execute(
        f"""
        insert into trueup_set_aside as s (table_name, row_key, block, error, attempts, next_attempt)
        select t.table_name, t.row_key, t.block, t.error, 1, clock_timestamp() + interval '10 s'
        from unnest(%s::text[], %s::text[], %s::bigint[], %s::text[]) t(table_name, row_key, block, error)
        on conflict (table_name, row_key) do update set
            block = greatest(s.block, excluded.block), error = excluded.error,
            attempts = s.attempts + case when s.next_attempt <= clock_timestamp() then 1 else 0 end,
            next_attempt = case when s.next_attempt <= clock_timestamp()
                then clock_timestamp() + {DELAY} else s.next_attempt end
        """,
        _columns(newest),
    )


def raise_block(conn: Conn, raised: Sequence[Raised], assets: Mapping[str, AssetConfig]) -> None:
    """Raise the stored block of wallets that are set aside.

    One that was cleared in the meantime is stored again, due at once: the touch is finished by this, so
    something must read it.
    """
    newest = _merged((assets[r.touch.asset].table, text(r.touch.wallet), r.touch.event_block, NO_ERROR_YET) for r in raised)
    if not newest:
        return
    conn.execute(
        """
        insert into trueup_set_aside as s (table_name, row_key, block, error, attempts, next_attempt)
        select t.table_name, t.row_key, t.block, t.error, 0, clock_timestamp()
        from unnest(%s::text[], %s::text[], %s::bigint[], %s::text[]) t(table_name, row_key, block, error)
        on conflict (table_name, row_key) do update set block = greatest(s.block, excluded.block)
        """,
        _columns(newest),
    )


def clear(conn: Conn, read: Sequence[tuple[str, bytes, int]]) -> list[Due]:
    """Free the wallets that were read at their stored block or later: (table, wallet, block of the reading). Those that were freed."""
    if conn.execute("select 1 from trueup_set_aside limit 1").fetchone() is None:
        return []  # as nearly always: the join would cost ten times as much
    rows = sorted(read)
    freed = conn.execute(
        """
        with gone as (
            select s.table_name, s.row_key from trueup_set_aside s
            join unnest(%s::text[], %s::text[], %s::bigint[]) r(table_name, row_key, block) using (table_name, row_key)
            where s.block is null or s.block <= r.block
            order by s.table_name collate "C", s.row_key collate "C" for update of s
        )
        delete from trueup_set_aside s using gone where s.table_name = gone.table_name and s.row_key = gone.row_key
        returning s.table_name, s.row_key, s.block
        """,
        [
            [table for table, _, _ in rows],
            literal(text(w) for _, w, _ in rows),
            literal(block for _, _, block in rows),
        ],
    )
    return [Due(table, from_text(key), block) for table, key, block in freed]


def due(conn: Conn, tables: Sequence[str], limit: int) -> list[Due]:
    """The rows whose next attempt is due, longest due first."""
    rows = conn.execute(
        """
        select table_name, row_key, block from trueup_set_aside
        where table_name = any(%s) and next_attempt <= clock_timestamp()
        order by next_attempt, table_name, row_key limit %s
        """,
        [list(tables), limit],
    )
    return [Due(table, from_text(key), block) for table, key, block in rows]


def count(conn: Conn, tables: Sequence[str]) -> int:
    """How many wallets are set aside."""
    row = conn.execute("select count(*) from trueup_set_aside where table_name = any(%s)", [list(tables)]).fetchone()
    return int(row[0]) if row else 0


def shown(conn: Conn, table: str, limit: int) -> list[dict[str, Any]]:
    """Some of a table's wallets that are set aside, for the status. In the order of the key: any other one would have to sort them all."""
    rows = conn.execute(
        """
        select row_key, error, attempts, next_attempt at time zone 'UTC' from trueup_set_aside
        where table_name = %s order by row_key limit %s
        """,
        [table, limit],
    )
    return [as_shown(*row) for row in rows]


def as_shown(wallet: str, error: str, attempts: int, next_attempt: datetime) -> dict[str, Any]:
    """One of them; `next_attempt` is UTC."""
    at = next_attempt.isoformat(timespec="seconds") + "Z"
    return {"wallet": wallet, "error": error, "attempts": attempts, "next_attempt": at}


Row = tuple[str, str, int | None, str]


def _merged(rows: Iterable[Row]) -> list[Row]:
    """Each wallet once, with its greatest block and last error, in the order in which all writers lock them."""
    newest: dict[tuple[str, str], Row] = {}
    for table, key, block, error in rows:
        known = newest.get((table, key))
        blocks = [b for b in (block, known[2] if known else None) if b is not None]
        newest[table, key] = (table, key, max(blocks, default=None), plain(error))
    return [newest[key] for key in sorted(newest)]


def _columns(rows: Sequence[Row]) -> list[list[str] | str]:
    return [
        [table for table, _, _, _ in rows],
        literal(key for _, key, _, _ in rows),
        literal(block for _, _, block, _ in rows),
        [error for _, _, _, error in rows],
    ]


def plain(error: str) -> str:
    """What a text column takes of an error: one that itself cannot be stored must not fail the batch."""
    return mask(error).replace("\0", "").encode("utf-8", "replace").decode()[:ERROR_LENGTH]
