"""Who was asked first for a block's logs, and who confirms them: only another endpoint, though that one may be gone for a moment. In turns
that merely skip who is away, an endpoint that withholds logs would confirm itself. No Trio.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from actors.evm.block import Header
from actors.evm.endpoint import Endpoint
from actors.messages import Marks

LONGEST_WAIT_SECS = 30.0  # for another endpoint than the one that was asked first; a failing one is tried again within this
MOST_RUNS = 100


@dataclass(frozen=True)
class Asking:
    """One closing's: from block `first` on, from those marks and on that branch. `confirms`: up to where it is a second asking; None where it
    is by a head, and asks for new blocks alone.
    """

    endpoint: Endpoint
    marks: Marks
    branch: int
    first: int
    confirms: int | None

    @property
    def whole(self) -> bool:
        """Whether it is by timer."""
        return self.confirms is not None

    def step(self, target: Header) -> Marks:
        """The marks once it has ended at that block."""
        return self.marks.closed_up_to(target.number, self.confirms)

    def leaves_some(self, target: Header) -> bool:
        """Whether it was to confirm what is closed, and has left some of what is there to somebody else."""
        confirmed = self.step(target).confirmed
        return self.whole and confirmed is not None and confirmed < min(self.marks.last_block, target.number)


@dataclass(frozen=True)
class Run:
    """Blocks `first` to `last` were asked of the endpoint of that index first."""

    first: int
    last: int
    index: int


class Askings:
    """One asset's. `turn`: who answered last, by the index of its endpoint; `refused`: closings failed there since the last one that did not.
    Of what is not known, since it was before this start or a reorg, two endpoints are asked anew.
    """

    def __init__(self) -> None:
        self.turn = -1
        self.refused: set[int] = set()
        self._branch = 0
        self._runs: list[Run] = []
        self._waits: tuple[int, float] | None = None  # who and since when, until another one has confirmed something: to be asked is not enough

    def by(self, block: int) -> int | None:
        """Who was asked first for a block."""
        return next((run.index for run in self._runs if run.first <= block <= run.last), None)

    def unwanted(self, marks: Marks | None) -> tuple[set[int], set[int]]:
        """Whom a whole closing does not ask if somebody else is there; and else whom it does not ask if anybody else is."""
        first_by = None if marks is None else self.by(marks.first_unconfirmed)
        return self.refused | ({first_by} if first_by is not None else set()), self.refused

    def second(self, endpoint: Endpoint, others: Sequence[Endpoint], marks: Marks, branch: int, now: float) -> Asking:
        """A whole closing's by that endpoint: of what is unconfirmed and new, or of what is new alone while one of the others is waited for;
        those of them that are healthy are given.
        """
        self._go_over_to(branch)
        first, last = marks.first_unconfirmed, marks.last_block
        if marks.confirmed is None or first > last:
            return Asking(endpoint, marks, branch, first, last)
        confirms = self._confirms(endpoint.index, marks)
        unknown = self.by(first) is None
        if unknown:
            self._waits = None
        if confirms >= first or unknown:
            return Asking(endpoint, marks, branch, first, confirms)
        if self._is_alone(endpoint.index, others, now):
            return Asking(endpoint, marks, branch, first, last)
        return Asking(endpoint, marks, branch, last + 1, confirms)

    def _is_alone(self, index: int, others: Sequence[Endpoint], now: float) -> bool:
        """Whether nobody else is there, and has not been for long."""
        if self._waits is None or self._waits[0] != index:
            self._waits = index, now
        return now - self._waits[1] >= LONGEST_WAIT_SECS and all(other.index in self.refused for other in others)

    def _go_over_to(self, branch: int) -> None:
        """What was asked on another one is of other blocks."""
        if branch != self._branch:
            self._branch, self._runs, self._waits = branch, [], None

    def _confirms(self, index: int, marks: Marks) -> int:
        """Up to which block somebody else was asked first."""
        end = marks.first_unconfirmed - 1
        for run in self._runs:
            if run.first <= end + 1 <= run.last and run.index != index:
                end = min(run.last, marks.last_block)
        return end

    def leaves_to(self, asking: Asking, target: Header, others: Iterable[Endpoint]) -> bool:
        """Whether one of these endpoints confirms at once what a whole closing could not."""
        unwanted, _ = self.unwanted(asking.step(target))
        return asking.leaves_some(target) and any(other.index not in unwanted for other in others)

    def ended(self, asking: Asking, last: int) -> None:
        """A closing has ended, with what was answered up to that block."""
        self._go_over_to(asking.branch)
        index, marks = asking.endpoint.index, asking.marks
        if asking.whole and self._confirms(index, marks) >= asking.first:
            self._waits = None
        elif asking.whole and self.by(asking.first) == index:
            self.refused.clear()  # it was asked itself again: the others are tried anew before the next part
        begin = asking.first if self.by(asking.first) is None else marks.last_block + 1
        kept = [Run(run.first, min(run.last, begin - 1), run.index) for run in self._runs if run.first < begin]
        if kept and (kept[-1].index, kept[-1].last) == (index, begin - 1):
            begin = kept.pop().first
        if begin <= last:
            kept.append(Run(begin, last, index))
        self._runs = [run for run in kept if run.last >= marks.first_unconfirmed][-MOST_RUNS:]

    def failed(self, endpoint: Endpoint, others: Iterable[Endpoint]) -> None:
        """A closing failed there: it is the turn of the others that are healthy, since not every fault has an endpoint left for long."""
        self.refused.add(endpoint.index)
        if all(other.index in self.refused for other in others):
            self.refused.clear()
