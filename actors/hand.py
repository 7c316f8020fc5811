"""The batcher's hand: every touch that it has taken and not passed on, merged by wallet. No Trio: plain state changes.

It lives beside the mailboxes and outlives the batcher, whose next incarnation calls `recover` and goes on. A touch is in exactly one
place: ready (in its lane), apart (to be asked for in a batch of its own making, after a refusal), or flying (in a call); what comes for
a flying wallet waits until that call has landed, since the read may be older than the touch. Pages of a sweep stay whole; the writer's
guard sees to it that a touch's newer reading of the same wallet stays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import islice

from actors.batch import Batch, key_of, merge
from actors.errand import Key
from actors.messages import Page, Touch

MOST_PAGES = 2  # ready ones; the others wait in the mailbox


class Hand:
    """See the module. `capacity`: how many ready touches each lane takes before its mailbox is left alone."""

    def __init__(self, capacity: int = 5000) -> None:
        self.capacity = capacity
        self._ready: dict[bool, dict[Key, Touch]] = {True: {}, False: {}}
        self._apart: dict[bool, deque[tuple[tuple[Key, ...], int, bool]]] = {True: deque(), False: deque()}
        self._apart_size = {True: 0, False: 0}
        self._parked: dict[Key, Touch] = {}
        self._flying: dict[int, Batch] = {}
        self._flying_keys: dict[Key, Touch] = {}
        self._later: dict[Key, Touch] = {}
        self._pages: deque[Page] = deque()
        self._page_ids: set[int] = set()
        self._refused_pages: set[int] = set()
        self._next_id = 0
        self._apart_next = self._page_next = False

    def __len__(self) -> int:
        flying = sum(batch.count for batch in self._flying.values())
        return sum(map(len, self._ready.values())) + len(self._parked) + len(self._later) + flying + sum(p.count for p in self._pages)

    def has_room(self, live: bool) -> bool:
        """Whether the lane's mailbox may be taken from."""
        room = len(self._ready[live]) + self._apart_size[live] + len(self._later) < self.capacity
        return room and (live or len(self._pages) < MOST_PAGES)

    def put_page(self, page: Page, refused: bool = False) -> None:
        """Take a page in, unless it is there already. One that the writer `refused` may still be in flight, though it was passed on: then
        it is asked for again once it has landed.
        """
        if page.id not in self._page_ids:
            self._page_ids.add(page.id)
            self._pages.append(page)
        elif refused and any(batch.page is not None and batch.page.id == page.id for batch in self._flying.values()):
            self._refused_pages.add(page.id)

    def put_suspects(self, touches: Iterable[Touch]) -> None:
        """Take in touches of wallets that failed in a page: each is asked for alone."""
        for touch in touches:
            self.put(replace(touch, suspect=True))

    def put(self, touch: Touch) -> None:
        """Take a touch in: merged with what is there, or kept for after the read in flight."""
        key = key_of(touch)
        if key in self._flying_keys:
            self._put_later(key, touch)
        elif key in self._parked:
            self._parked[key] = merge(self._parked[key], touch)
            if touch.live:
                self._hurry(key)
        elif touch.suspect:
            ready = self._ready[True].pop(key, None) or self._ready[False].pop(key, None)
            self._set_apart((touch if ready is None else merge(ready, touch),), 0)
        else:
            self._put_ready(key, touch)

    def put_together(self, touches: Iterable[Touch]) -> None:
        """Take in touches that are asked for in one wide call of their own."""
        own = []
        for touch in touches:
            key = key_of(touch)
            if key in self._flying_keys or key in self._parked:
                self.put(touch)
                continue
            ready = self._ready[True].pop(key, None) or self._ready[False].pop(key, None)
            own.append(touch if ready is None else merge(ready, touch))
        if own:
            self._set_apart(tuple(own), 0, wide=True)

    def _put_later(self, key: Key, touch: Touch) -> None:
        flying = self._flying_keys[key]
        if touch.need <= flying.need and touch.errands <= flying.errands and touch.repair == flying.repair:
            return
        waiting = self._later.get(key)
        self._later[key] = touch if waiting is None else merge(waiting, touch)

    def _put_ready(self, key: Key, touch: Touch) -> None:
        old = self._ready[True].get(key) or self._ready[False].pop(key, None)
        merged = touch if old is None else merge(old, touch)
        self._ready[merged.live][key] = merged

    def _set_apart(self, touches: tuple[Touch, ...], failures: int, wide: bool = False) -> None:
        for touch in touches:
            self._parked[key_of(touch)] = touch
        live = any(touch.live for touch in touches)
        self._apart[live].append((tuple(map(key_of, touches)), failures, wide))
        self._apart_size[live] += len(touches)

    def _hurry(self, key: Key) -> None:
        """A wallet of the sweep is wanted by an event, too: those that it is apart with pass to the live lane."""
        for group in [group for group in self._apart[False] if key in group[0]]:
            for live, step in ((False, -1), (True, 1)):
                self._apart_size[live] += step * len(group[0])
            self._apart[False].remove(group)
            self._apart[True].append(group)

    def next_batch(self, most: int, sweep: bool = True) -> Batch | None:
        """The next wallets to read, now flying: live first. `sweep`: these too.

        In a lane, what is ready and what is apart take turns, and so do a sweep's touches and its pages, so that none starves another.
        """
        for live in (True, False) if sweep else (True,):
            if not live and self._pages and (self._page_next or not (self._ready[False] or self._apart[False])):
                self._page_next = False
                page = self._pages.popleft()
                return self._fly((), False, page.failures, page)
            self._page_next = self._page_next or not live
            ready, apart = self._ready[live], self._apart[live]
            if apart and (self._apart_next or not ready):
                self._apart_next = False
                keys, failures, wide = apart.popleft()
                self._apart_size[live] -= len(keys)
                return self._fly(tuple(self._parked.pop(key) for key in keys), live, failures, wide=wide)
            if ready:
                self._apart_next = True
                return self._fly(tuple(ready.pop(key) for key in list(islice(ready, most))), live, 0)
        return None

    def _fly(self, touches: tuple[Touch, ...], live: bool, failures: int, page: Page | None = None, wide: bool = False) -> Batch:
        self._next_id += 1
        batch = Batch(self._next_id, touches, live, failures, page, wide)
        self._flying[batch.id] = batch
        self._flying_keys.update((key_of(touch), touch) for touch in touches)
        return batch

    def _end_flight(self, batch: Batch) -> bool:
        if self._flying.pop(batch.id, None) is None:
            return False
        for touch in batch.touches:
            del self._flying_keys[key_of(touch)]
        return True

    def landed(self, batch: Batch, alone: Iterable[Touch] = (), marked: bool = False) -> None:
        """The outcomes of a batch were passed on, but for `alone`, which are asked for one by one, or (`marked`) together once more in a
        wide call. Who waited is ready.
        """
        if not self._end_flight(batch):
            return
        if batch.page is not None:
            self._page_ids.discard(batch.page.id)
            if batch.page.id in self._refused_pages:
                self._refused_pages.discard(batch.page.id)
                self.put_page(batch.page)
        merged = [touch if later is None else merge(touch, later) for touch, later in self._with_later(alone)]
        if marked:
            self.put_together(merged)
        else:
            for touch in merged:
                self._set_apart((replace(touch, suspect=True),), 0)
        self._release(batch)

    def again(self, batch: Batch) -> None:
        """The batch's call failed by no fault of its wallets: the same ones are asked for again, at a new pin."""
        if self._end_flight(batch):
            if batch.page is None:
                self._set_apart(self._merged_with_later(batch), batch.failures + 1, batch.wide)
            else:
                self._pages.append(replace(batch.page, failures=batch.failures + 1))

    def sift(self, batch: Batch, head: int, drops: Callable[[Touch], bool]) -> None:
        """Part what can be read at `head` from what cannot yet; of the latter what `drops` says is let go."""
        if not self._end_flight(batch):
            return
        touches = self._merged_with_later(batch)
        early = tuple(touch for touch in touches if touch.need > head and not drops(touch))
        for part in (tuple(touch for touch in touches if touch.need <= head), early):
            if part:
                self._set_apart(part, batch.failures, batch.wide)

    def split(self, batch: Batch, failures: int = 0) -> None:
        """The batch was refused: each half is asked for by itself. `failures`: how often that is to count as a failure of each."""
        if not self._end_flight(batch):
            return
        touches = self._merged_with_later(batch)
        middle = len(touches) // 2
        for half in (touches[:middle], touches[middle:]):
            if half:
                self._set_apart(half, failures, batch.wide)

    def _merged_with_later(self, batch: Batch) -> tuple[Touch, ...]:
        return tuple(touch if later is None else merge(touch, later) for touch, later in self._with_later(batch.touches))

    def _with_later(self, touches: Iterable[Touch]) -> list[tuple[Touch, Touch | None]]:
        return [(touch, self._later.pop(key_of(touch), None)) for touch in touches]

    def _release(self, batch: Batch) -> None:
        for touch in batch.touches:
            later = self._later.pop(key_of(touch), None)
            if later is not None:
                self.put(later)

    def recover(self) -> None:
        """A new incarnation of the batcher: what was flying is asked for again."""
        for batch in list(self._flying.values()):
            self._end_flight(batch)
            if batch.page is not None:
                self._pages.append(batch.page)
            for touch in self._merged_with_later(batch):
                self.put(touch)
