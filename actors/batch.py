"""A batch: what is read in one call; and how two touches of one wallet are one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from actors.errand import Key
from actors.messages import Page, Touch


def key_of(touch: Touch) -> Key:
    """Which row a touch is about."""
    return touch.asset, touch.wallet


def merge(old: Touch, new: Touch) -> Touch:
    """One touch that serves both: the highest block, the event's block, all errands."""
    newest = new if new.need >= old.need else old
    # Of two branches the newer one's event: the other's may be orphaned, and is asked for again if it is not.
    event = max((t for t in (old, new) if t.event_block is not None), key=lambda t: (t.event_branch, t.event_block), default=newest)
    return replace(
        newest,
        event_block=event.event_block,
        event_branch=event.event_branch,
        errands=old.errands | new.errands,
        live=old.live or new.live,
        repair=new.repair or old.repair,
        suspect=old.suspect or new.suspect,
    )


@dataclass(frozen=True)
class Batch:
    """Wallets to read in one call, at one pin: touches, or a page. `failures`: how often a call for just these has failed. `wide`: some
    may have sums that need a full word.
    """

    id: int
    touches: tuple[Touch, ...]
    live: bool
    failures: int = 0
    page: Page | None = None
    wide: bool = False

    @property
    def count(self) -> int:
        """How many wallets."""
        return len(self.touches) if self.page is None else self.page.count

    @property
    def divisible(self) -> bool:
        """Whether it can be asked for in smaller parts; a page of one wallet can become a touch."""
        return self.page is not None or len(self.touches) > 1

    @property
    def need(self) -> int:
        """The block that the pin must not precede."""
        return max((touch.need for touch in self.touches), default=0)

    @property
    def assets(self) -> set[str]:
        """Whose wallets they are."""
        return {touch.asset for touch in self.touches} if self.page is None else {self.page.asset}
