"""What is left to do about the wallets that logs touched, as their rows stand. No Trio."""

from __future__ import annotations

from collections.abc import Mapping

from actors.errand import Item
from actors.messages import Covered, Raised, Touch
from actors.store.holders import RowState


def items_of(asset: str, events: Mapping[bytes, int], rows: Mapping[bytes, RowState], branch: int) -> list[Item]:
    """Of all wallets, each with its newest event's block."""
    found = [_item(asset, wallet, block, rows.get(wallet), branch) for wallet, block in events.items()]
    return [item for item in found if item is not None]


def _item(asset: str, wallet: bytes, block: int, row: RowState | None, branch: int) -> Item | None:
    """Nothing, move its block, raise its set-aside block, or read it."""
    if row is None or not row.tracked:
        return None
    touch = Touch(asset, wallet, block, block, event_branch=branch)
    if row.aside:
        return Raised(touch, branch)
    if row.read_block is None or row.read_block < block:
        return touch
    if row.blocknumber is None or row.blocknumber < block:
        return Covered(touch, branch)
    return None
