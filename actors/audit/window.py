"""Up to which block an endpoint's state is gone, as its refusals tell. No Trio; the clock is handed in."""

from __future__ import annotations

NEAR_HEAD = 8  # blocks: what is refused there is a replica's lag
KEPT_SECS = 600.0  # a balancer's replicas keep more or less of it: what one refused is asked again


class Window:
    """One endpoint's. State goes from the oldest block on: where one is refused, all below it are."""

    def __init__(self) -> None:
        self._gone_to = -1
        self._until = float("-inf")

    def refused(self, block: int, head: int, now: float) -> bool:
        """The endpoint, whose head that is, has no state of the block, twice. Whether that tells anything of others."""
        if block > head - NEAR_HEAD:
            return False
        self._gone_to, self._until = max(block, self.gone_to(now)), now + KEPT_SECS
        return True

    def answered(self, block: int) -> None:
        """It has: what was refused above it was another replica's."""
        if block <= self._gone_to:
            self._gone_to = block - 1

    def gone_to(self, now: float) -> int:
        """The newest block whose state is gone; -1 where none is known to be."""
        return self._gone_to if now < self._until else -1
