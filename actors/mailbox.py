"""Mailboxes: pairs of Trio memory channels that outlive the actors on both their ends.

Each has two lanes, live and sweep, so that live passes. The system keeps the original channels open and each incarnation of an actor
works on clones: a dead consumer loses no queue, a dead sender ends no channel. What was taken and not finished stays in `held`, and is
what the next incarnation takes first. Everything is bounded; a full lane makes its senders wait, a pushed hint is dropped and counted.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Bell:
    """Wakes one waiting task; a ring that nobody waits for is kept, and any number of them are one."""

    def __init__(self) -> None:
        self._rung = trio.Event()

    def ring(self) -> None:
        """Wake the waiter, now or at its next wait."""
        self._rung.set()

    async def wait(self) -> None:
        """Wait for a ring, and take it."""
        await self._rung.wait()
        self._rung = trio.Event()


class Lane(Generic[T]):
    """One bounded queue with its in-hand items."""

    def __init__(self, capacity: int) -> None:
        self._send, self._receive = trio.open_memory_channel[T](capacity)
        self.held: list[T] = []

    def inlet(self) -> trio.MemorySendChannel[T]:
        """A sender's own end: `with lane.inlet() as send:`."""
        return self._send.clone()

    def outlet(self) -> trio.MemoryReceiveChannel[T]:
        """A consumer's own end."""
        return self._receive.clone()

    def offer(self, item: T) -> bool:
        """Put in a hint if there is room; else it is dropped, which who offers it counts."""
        try:
            self._send.send_nowait(item)
        except trio.WouldBlock:
            return False
        return True

    async def take(self, outlet: trio.MemoryReceiveChannel[T], most: int) -> list[T]:
        """What the last incarnation held, or else the next items, up to `most`; they stay held until `finished`.

        Raises trio.EndOfChannel once the lane is closed and empty.
        """
        if self.held:
            await trio.lowlevel.checkpoint()
            return self.held
        self.held.append(await outlet.receive())
        while len(self.held) < most:
            try:
                self.held.append(outlet.receive_nowait())
            except (trio.WouldBlock, trio.EndOfChannel):
                break
        return self.held

    def finished(self) -> None:
        """What was taken is done with."""
        self.held = []

    def close(self) -> None:
        """End the lane once the senders' own clones have ended too."""
        self._send.close()

    def waiting(self) -> int:
        """How many messages wait in the queue or in the hand."""
        return self._send.statistics().current_buffer_used + len(self.held)


class Mailbox(Generic[T]):
    """A live and a sweep lane."""

    def __init__(self, name: str, capacity: int) -> None:
        self.name = name
        self.live: Lane[T] = Lane(capacity)
        self.sweep: Lane[T] = Lane(capacity)

    def lane(self, live: bool) -> Lane[T]:
        """The lane of that kind."""
        return self.live if live else self.sweep

    def close(self) -> None:
        """End both lanes."""
        self.live.close()
        self.sweep.close()
