"""Errands say when work is done: one closing, one tick, one page of repairs or one backfill window is one errand.

They live beside the mailboxes, so they outlive every actor. An errand is registered whole, in one step without an await, before its
first item is sent; it holds wallets, not counts, so a redelivery finishes nothing twice; it ends once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import trio

from actors.messages import Covered, Failed, Move, Page, Raised, Settle, Touch

if TYPE_CHECKING:
    from actors.claim import Claim

Kind = Literal["closing", "tick", "repair", "backfill", "claim", "audit"]
Item = Touch | Covered | Raised | Failed
Key = tuple[str, bytes]


def touch_of(item: Item) -> Touch:
    """The touch inside whatever travels for it."""
    return item if isinstance(item, Touch) else item.touch


def key_of(item: Item) -> Key:
    """Which row an item is about."""
    touch = touch_of(item)
    return touch.asset, touch.wallet


@dataclass
class Errand:
    """Work that is open: `pending` holds what is unfinished, as it was sent, so that it can be sent again. A claim's `asset` is the row
    of its chain. `events`: of a closing, how many wallets were to be read for the events of each block.
    """

    id: int
    kind: Kind
    asset: str
    chain: str
    pending: dict[Key, Item]
    requested: int
    pages: dict[int, Page] = field(default_factory=dict)
    updated: int = 0
    move: Move | None = None
    claim: Claim | None = None
    dropped: bool = False
    events: Mapping[int, int] = field(default_factory=dict)
    done: trio.Event = field(default_factory=trio.Event)


class ErrandBook:
    """All open errands of the process."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._open: dict[int, Errand] = {}

    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def register(
        self, kind: Kind, chain: str, asset: str, items: Iterable[Item], move: Move | None = None, claim: Claim | None = None
    ) -> Errand:
        """Open an errand over the items, each named in it with its block; the move's errand id is filled in."""
        number = next(self._ids)
        only = frozenset({number})
        own = [_waited_for_by(item, only) for item in items]
        pending = {key_of(item): item for item in own}
        errand = Errand(number, kind, asset, chain, pending, len(pending))
        errand.move, errand.claim = None if move is None else replace(move, errand=number), claim
        self._open[number] = errand
        return errand

    def register_page(self, chain: str, asset: str, wallets: str, count: int) -> Errand:
        """Open a sweep's errand over one page of rows."""
        errand = self.register("tick", chain, asset, ())
        number = next(self._ids)
        errand.pages[number] = Page(number, errand.id, asset, wallets, count)
        errand.requested = count
        return errand

    def part_page(self, page: Page, most: int) -> list[Page]:
        """The page's parts of at most so many wallets, which stand for it from now on; none where nobody waits for it any more."""
        found = self._open.get(page.errand)
        if found is None or found.pages.pop(page.id, None) is None:
            return []
        wallets = page.wallets.split(",")
        pieces = [wallets[at : at + most] for at in range(0, page.count, most)]
        parts = [Page(next(self._ids), page.errand, page.asset, ",".join(piece), len(piece), page.failures) for piece in pieces]
        found.pages.update((part.id, part) for part in parts)
        return parts

    def single_out(self, page: Page, wallets: Iterable[str]) -> list[Touch]:
        """Touches for some wallets of a page, for which its errand waits as well; none where nobody waits for it any more."""
        found = self._open.get(page.errand)
        if found is None:
            return []
        names = [bytes.fromhex(wallet[2:]) for wallet in wallets]
        touches = [Touch(page.asset, name, errands=frozenset({page.errand}), live=False) for name in names]
        found.pending.update((key_of(touch), touch) for touch in touches)
        return touches

    def finish_page(self, page: Page, updated: int) -> None:
        """A page is done, but for what was singled out; finishing it again does nothing."""
        found = self._open.get(page.errand)
        if found is None or found.pages.pop(page.id, None) is None:
            return
        found.updated += updated
        self._end_if_done(found)

    def _end_if_done(self, errand: Errand) -> None:
        if not errand.pending and not errand.pages and errand.move is None:
            self.end(errand.id)

    def open_of(self, kind: Kind, chain: str, asset: str | None = None) -> list[Errand]:
        """The open errands of a kind, oldest first."""
        return [e for e in self._open.values() if e.kind == kind and e.chain == chain and asset in (None, e.asset)]

    def claim_of(self, errand: int) -> Claim | None:
        """The claim of an open errand."""
        found = self._open.get(errand)
        return None if found is None else found.claim

    def claims(self) -> list[Errand]:
        """The open claims."""
        return [errand for errand in self._open.values() if errand.claim is not None]

    def finish(self, errand: int, key: Key, updated: int) -> None:
        """One wallet of an errand is done, in so many rows; finishing it again, or one of an ended errand, does nothing."""
        found = self._open.get(errand)
        if found is None or found.pending.pop(key, None) is None:
            return
        found.updated += updated
        self._end_if_done(found)

    def endable(self, finishing: Mapping[int, Set[Key]]) -> list[Move]:
        """The moves of the closings that end once `finishing` (the wallets of each errand) is done, oldest first."""
        return [
            e.move for e in self._open.values() if e.move is not None and e.pending.keys() <= finishing.get(e.id, frozenset())
        ]

    def is_any_open(self, errands: Set[int]) -> bool:
        """Whether anybody still waits for one of them."""
        return not self._open.keys().isdisjoint(errands)

    def end(self, errand: int) -> None:
        """An errand is over, whatever is left in it."""
        found = self._open.pop(errand, None)
        if found is not None:
            found.done.set()

    def drop(self, errand: int) -> None:
        """An errand is given up: whoever waits for it begins anew from what is stored."""
        if errand in self._open:
            self._open[errand].dropped = True
            self.end(errand)

    def unsent(self, errand: Errand) -> tuple[list[Touch], list[Covered | Raised | Failed | Settle]]:
        """What must be sent, or sent again: touches to the batcher, the rest to the writer."""
        touches = [item for item in errand.pending.values() if isinstance(item, Touch)]
        rest: list[Covered | Raised | Failed | Settle] = [i for i in errand.pending.values() if not isinstance(i, Touch)]
        return touches, rest if errand.pending or errand.pages else [Settle(errand.id)]


def _waited_for_by(item: Item, errands: frozenset[int]) -> Item:
    if isinstance(item, Touch):
        return item.waited_for_by(errands)
    return replace(item, touch=item.touch.waited_for_by(errands))
