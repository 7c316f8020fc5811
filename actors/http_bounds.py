"""What clients may take from each other and from the actors: which connection makes room for a new one, and how much time answers may take."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import trio

SAVED_SECS = 1.0
LEAST_SECS = 0.0005


class Waited:
    """A connection's wait for its client, `since` when; None while it does not wait. `queued`: it waits for its share of the time instead.
    `scope` is the connection's whole life.
    """

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        self.since: float | None = None
        self.queued = False

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Counted from the first byte that is waited for: one that comes now and then does not begin it anew."""
        outer = self.since
        self.since = trio.current_time() if outer is None else outer
        try:
            yield
        finally:
            self.since = outer


class Room:
    """Connections, `most` of them at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[Waited] = set()

    def __len__(self) -> int:
        return len(self._open)

    def enter(self) -> Waited | None:
        """A place; where there is none, that of the connection that has waited longest for its client, which ends, or of any that queues for
        its share. None: no one waits.
        """
        if len(self._open) >= self._most:
            if (other := self._slowest() or self._any_queued()) is None:
                return None
            self._open.discard(other)
            other.scope.cancel()
        place = Waited()
        self._open.add(place)
        return place

    def _slowest(self) -> Waited | None:
        waiting = [(each.since, id(each), each) for each in self._open if each.since is not None]
        return min(waiting)[2] if waiting else None

    def _any_queued(self) -> Waited | None:
        """By lot: the first would never be served where many come, and the last may be a lone health check."""
        queued = [each for each in self._open if each.queued]
        return random.choice(queued) if queued else None

    def leave(self, place: Waited) -> None:
        """Give the place back; harmless where it was taken away."""
        self._open.discard(place)


class Share:
    """Of the process's time, answers take this share at most; what they leave is saved up for a second."""

    def __init__(self, share: float) -> None:
        self._share = share
        self._free_at = float("-inf")
        self._turn = trio.StrictFIFOLock()

    async def wait(self, place: Waited) -> None:
        """Until what was taken so far has been worked off: at once, as a rule, and else in the order of asking."""
        place.queued = True
        try:
            async with self._turn:
                await trio.sleep_until(self._free_at)
        finally:
            place.queued = False

    def take(self, secs: float) -> None:
        """So long an answer took; reading, parsing and sending are not seen, so that each counts `LEAST_SECS` at least."""
        self._free_at = max(self._free_at, trio.current_time() - SAVED_SECS) + max(secs, LEAST_SECS) / self._share
