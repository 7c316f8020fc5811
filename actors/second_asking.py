"""How a second asking is parted while heads are pushed: a head waits for one part at most, and the parts catch up with the heads; and what
it shows of the first one. No Trio.
"""

from __future__ import annotations

from collections.abc import Mapping

from actors.gather import MOST_WALLETS, UNDER_WAY, Part
from actors.messages import Marks
from actors.store.holders import RowState

FIRST_WALLETS = 2000


class SecondAsking:
    """One asset's. Its parts grow for as long as more blocks come than they confirm."""

    def __init__(self) -> None:
        self._backlog: int | None = None
        self._times = 1

    def part(self, backlog: int) -> Part:
        """The next part, with so many blocks to confirm."""
        if self._backlog is not None and backlog >= self._backlog:
            self._times = min(2 * self._times, MOST_WALLETS // FIRST_WALLETS)
        self._backlog = backlog
        return Part(FIRST_WALLETS * self._times, min(UNDER_WAY, self._times))

    def ended(self) -> None:
        """All is confirmed that was closed."""
        self._backlog, self._times = None, 1


def withheld(events: Mapping[bytes, int], rows: Mapping[bytes, RowState], marks: Marks) -> list[int]:
    """For each wallet whose row does not know an event of a block that was closed: that block."""
    return [
        block
        for wallet, block in events.items()
        if (row := rows.get(wallet)) is not None
        and block <= marks.last_block
        and row.tracked
        and not row.aside
        and (row.blocknumber or -1) < block
    ]
