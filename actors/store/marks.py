"""Which readings are at or below a checkpoint: those are written only if their block is one of the remembered ones.

No later closing would compare such a block, so an orphaned one would stay in the row for good. A checkpoint that another program wrote has
no remembered blocks yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from actors.config import AssetConfig
from actors.messages import Marks
from actors.store import checkpoint
from actors.store.postgres import Conn

T = TypeVar("T")


def load_marks(conn: Conn, names: Iterable[str], assets: Mapping[str, AssetConfig]) -> dict[str, Marks]:
    """Each asset's checkpoint; for one that has none, what all others of its chain have confirmed."""
    wanted = sorted(set(names))
    chains = {assets[name].chain for name in wanted}
    keys = sorted({asset.checkpoint for asset in assets.values() if asset.chain in chains})
    stored = checkpoint.load_many(conn, keys) if keys else {}
    found: dict[str, Marks] = {}
    for name in wanted:
        own = assets[name]
        others = [stored[a.checkpoint] for a in assets.values() if a.chain == own.chain and a.checkpoint in stored]
        if own.checkpoint in stored:
            found[name] = stored[own.checkpoint]
        elif others:
            lowest = min(m.last_block if m.confirmed is None else m.confirmed for m in others)
            found[name] = Marks(lowest, lowest)
    return found


class Overtaken(Exception):
    """A checkpoint moved while the transaction waited for a row that somebody else held: it begins anew."""


def check_not_overtaken(conn: Conn, marks: Mapping[str, Marks], assets: Mapping[str, AssetConfig]) -> None:
    """Raise Overtaken where a checkpoint is above what `load_marks` found: a reading that was above it then may be at or below it now.

    Asked once the rows are locked: whatever closes from here on compares the blocks that this transaction remembers.
    """
    if marks and load_marks(conn, marks, assets) != marks:
        raise Overtaken


def until_not_overtaken(conn: Conn, attempt: Callable[[], T]) -> T:
    """What the attempt returns, in one transaction of its own; another one for as long as it is overtaken."""
    while True:
        try:
            with conn.transaction():
                return attempt()
        except Overtaken:
            continue


def is_closed(marks: Marks | None, block: int) -> bool:
    """Whether a block is at or below the checkpoint."""
    return marks is not None and marks.confirmed is not None and block <= marks.last_block
