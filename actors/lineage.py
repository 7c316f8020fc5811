"""Which blocks a head itself vouches for: those that its line of parents goes through, as far as heads followed one upon the other.

What the head vouches for need not be asked for again by number. No Trio.
"""

from __future__ import annotations

from actors.evm.block import Header

MOST = 1000


class Lineage:
    """The line of the heads that were closed one after the other."""

    def __init__(self) -> None:
        self._hashes: dict[int, bytes] = {}
        self._tip: Header | None = None

    def up_to(self, head: Header) -> dict[int, bytes]:
        """The hashes that the head proves, by number. Where it does not follow upon the last one, that is its own alone."""
        if self._tip is None or self._tip.hash not in (head.parent, head.hash) or len(self._hashes) >= MOST:
            self._hashes = {}
        self._tip = head
        self._hashes[head.number] = head.hash
        return self._hashes

    def broken(self) -> None:
        """A reorg was seen: the next head vouches for itself alone."""
        self._tip = None
