"""Ranges of blocks: how many one eth_getLogs asks for, and which are still to be asked for when several are under way. No Trio."""

from __future__ import annotations

import heapq
from typing import Generic, TypeVar

FIRST_BLOCKS = 100
LOGS_AT_ONCE = 5000  # a longer answer is memory, and holds up everything else while it is decoded
HINT_HOLDS = 100  # accepted ranges until a refusal's hint is forgotten
T = TypeVar("T")
Range = tuple[int, int]


class RangeSize:
    """How many blocks one eth_getLogs asks for. Begins small and doubles until the first refusal; shrinks by the refusal's own hint or by
    half, and grows again by steps; and is never more than what answers with about as many logs as are wanted at once.

    A hint is a provider's own limit more often than not, so the size stays below it for a while instead of running into it every time.
    """

    def __init__(self, most: int) -> None:
        self._most = max(1, most)
        self._hint: int | None = None
        self.current = min(FIRST_BLOCKS, self._most)
        self._accepted = 0
        self._refused = False

    def at_most(self, most: int) -> None:
        """The upper bound, which the operator may change. What a refusal has taught stays."""
        self._most = max(1, most)
        self.current = min(self.current, self._ceiling)

    @property
    def _ceiling(self) -> int:
        return self._most if self._hint is None else min(self._hint, self._most)

    def refused(self, asked: int, hint: int | None = None) -> None:
        """A range of so many blocks was too long, or held too much. A hint that would not shrink it is not believed.

        Of several that were under way at once the first says it for all: what was longer than the size is by now tells nothing new.
        """
        if asked > self.current:
            return
        self._refused = True
        if hint is not None and 0 < hint < asked:
            self.current = self._hint = hint
            self._accepted = 0
        else:
            self.current = max(1, asked // 2)

    def accepted(self, asked: int, logs: int = 0) -> None:
        """A range of so many blocks went through, with so many logs; a shorter one than the size is says nothing about longer ones."""
        self._accepted += 1
        if self._accepted >= HINT_HOLDS:
            self._hint = None
        if asked >= self.current:
            grown = self.current + max(1, self.current // 4) if self._refused else self.current * 2
            self.current = min(self._ceiling, grown)
        self.saw(asked, logs)

    def saw(self, blocks: int, logs: int) -> None:
        """So many blocks held so many logs: the next range is not to hold many more than are wanted at once."""
        if logs:
            self.current = max(1, min(self.current, blocks * LOGS_AT_ONCE // logs))


class Ranges(Generic[T]):
    """Blocks `first` to `last`: what is still to be asked for, and the answers that came, which are taken in the blocks' order.

    `next_block`: all before it were taken.
    """

    def __init__(self, first: int, last: int, size: RangeSize) -> None:
        self.next_block, self.last, self.size = first, last, size
        self._open: list[Range] = [(first, last)] if first <= last else []
        self._answers: dict[int, tuple[int, T]] = {}

    @property
    def done(self) -> bool:
        """Whether everything was taken."""
        return self.next_block > self.last

    @property
    def waiting(self) -> int:
        """How many answers wait to be taken, all for one that is missing before them."""
        return len(self._answers)

    def ask(self) -> Range | None:
        """The lowest blocks that nobody asks for, as many as go into one question; None where there are none."""
        if not self._open:
            return None
        first, last = heapq.heappop(self._open)
        end = min(last, first + self.size.current - 1)
        if end < last:
            heapq.heappush(self._open, (end + 1, last))
        return first, end

    def give_back(self, asked: Range) -> None:
        """There was no answer: the range is asked for again, in smaller parts if the size has shrunk."""
        heapq.heappush(self._open, asked)

    def answered(self, asked: Range, answer: T) -> None:
        """An answer came."""
        self._answers[asked[0]] = asked[1], answer

    def take(self) -> T | None:
        """The answer that follows upon what was taken, if it is there."""
        if self.next_block not in self._answers:
            return None
        last, answer = self._answers.pop(self.next_block)
        self.next_block = last + 1
        return answer
