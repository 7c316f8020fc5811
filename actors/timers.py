"""Waits whose end follows from the config: when that changes, those that are under way end by what it says now.

A timer that only read its key anew each time would first sleep through a long old interval; one that woke every so often to look would cost
something for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import trio


class Timers:
    """One process's, or one supervisor's. A moment is of Trio's clock."""

    def __init__(self) -> None:
        self._open: dict[trio.CancelScope, Callable[[], float]] = {}

    @contextmanager
    def move_on_at(self, due: Callable[[], float]) -> Iterator[trio.CancelScope]:
        """As `trio.move_on_at`; `due` is asked again at each change."""
        with trio.CancelScope(deadline=due()) as scope:
            self._open[scope] = due
            try:
                yield scope
            finally:
                del self._open[scope]

    async def sleep_until(self, due: Callable[[], float]) -> float:
        """Sleep until then; returns the moment that it came to be: where a change has moved it into the past, that of the change."""
        with self.move_on_at(due) as slept:
            await trio.sleep_forever()
        return slept.deadline

    async def sleep(self, secs: Callable[[], float]) -> float:
        """Sleep for so long from now on; returns as `sleep_until`."""
        began = trio.current_time()
        return await self.sleep_until(lambda: began + secs())

    def changed(self) -> None:
        """The config is another one: every wait that is under way has its end anew."""
        now = trio.current_time()
        for scope, due in self._open.items():
            scope.deadline = max(due(), now)
