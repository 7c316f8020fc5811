"""An asset's checkpoint in `eth_indexer_checkpoints`, the first seed's table, with trueup's second mark
`confirmed`.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.messages import Marks
from actors.store.chain import BACKFILL, Block, remember, remembered
from actors.store.postgres import Conn


def of_backfill(name: str, first: int) -> str:
    """The checkpoint of a backfill of the asset whose own has that name: one for each block that a backfill was asked to begin at."""
    return f"{name}{BACKFILL}{first}"


def load(conn: Conn, name: str) -> Marks | None:
    """The checkpoint's marks; None where there is none, or one that never held a block."""
    return load_many(conn, [name]).get(name)


def opening(conn: Conn, chain: str, name: str) -> tuple[Marks, list[Block]] | None:
    """What a closing begins with: the checkpoint's marks, and the remembered blocks that they do not confirm, with the newest one
    below; None where `load` has none.
    """
    marks = load(conn, name)
    if marks is None:
        return None
    return marks, remembered(conn, chain, marks.last_block - 1 if marks.confirmed is None else marks.confirmed)


def load_many(conn: Conn, names: Sequence[str]) -> dict[str, Marks]:
    """The marks of those checkpoints that have any."""
    rows = conn.execute(
        "select name, last_block, confirmed from eth_indexer_checkpoints where name = any(%s) and last_block is not null",
        [list(names)],
    )
    return {name: Marks(last_block, confirmed) for name, last_block, confirmed in rows}


def create(conn: Conn, chain: str, name: str, number: int, block_hash: bytes | None) -> None:
    """Store a block as both marks, unless the checkpoint has one already; and remember it, since what is read there must be of it."""
    with conn.transaction():
        created = conn.execute(
            """
            insert into eth_indexer_checkpoints as c (name, last_block, confirmed) values (%(name)s, %(head)s, %(head)s)
            on conflict (name) do update
                set last_block = excluded.last_block, confirmed = excluded.confirmed, updated_at = current_timestamp
                where c.last_block is null
            """,
            {"name": name, "head": number},
        )
        if created.rowcount and block_hash is not None:
            remember(conn, chain, [(number, block_hash)])


def lock(conn: Conn, names: Sequence[str]) -> dict[str, Marks]:
    """Lock the checkpoints in one order for all, before they are moved in another. The marks of those that have any."""
    rows = conn.execute(
        "select name, last_block, confirmed from eth_indexer_checkpoints where name = any(%s) order by name for update", [sorted(names)]
    )
    return {name: Marks(last_block, confirmed) for name, last_block, confirmed in rows if last_block is not None}


def move(conn: Conn, name: str, expect: Marks, target: Marks) -> bool:
    """Move the checkpoint if it is where it is expected. Already at its target counts as moved: a redelivery
    is harmless.
    """
    moved = conn.execute(
        """
        update eth_indexer_checkpoints set last_block = %s, confirmed = %s, updated_at = current_timestamp
        where name = %s and last_block is not distinct from %s and confirmed is not distinct from %s
        """,
        [target.last_block, target.confirmed, name, expect.last_block, expect.confirmed],
    )
    return moved.rowcount == 1 or load(conn, name) == target
