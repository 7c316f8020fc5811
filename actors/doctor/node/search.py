"""The search for a limit: how large a question may be. Pure: whoever asks the node tells it how each question was answered.

It grows from small to large until a first refusal, and halves the gap from there to the exact number. What a refusal's own words name, and
sizes that limits are often set to, are only tried sooner: each is believed when it went through and one more did not.

An answer that is neither yes nor "too large" (a lost connection, an error nobody knows) decides nothing by itself. The largest size that
went through is asked for again, as a control, and then the doubtful one: the endpoint works and this size fails twice is a refusal too,
in whatever words; an endpoint that fails at the control as well has another trouble, and the search ends and says so. Words that were a
refusal once are one from then on, and the outcome is looked at by a last control and a last refusal.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

FACTOR = 8  # how much the size grows before the first refusal
MOST_CALLS = 60
# Tries at what others often set, and at what refusals name: each costs a call where it is wrong.
MOST_LIKELY, MOST_NAMED = 6, 4
MOST_HINTS = 8
NUMBER = re.compile(r"(?<![\w.,-])(\d{1,3}(?:,\d{3})+|\d+)(k|m)?(?!\w|\.\d)", re.IGNORECASE)
THOUSANDS = {"": 1, "k": 1_000, "m": 1_000_000}


class Verdict(Enum):
    """How a question was answered. `LATER`: the endpoint asks for fewer requests, which says nothing about the size."""

    OK = "ok"
    REFUSED = "refused"
    OTHER = "other"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Found:
    """`accepted`: the largest that went through, 0 where nothing did. `refused`: the smallest that did not; None where nothing was refused.
    `said`: a refusal in the endpoint's words. `stopped`: why the search ended before the exact number, "" where it did not.
    """

    accepted: int
    refused: int | None
    calls: int
    said: str = ""
    stopped: str = ""

    @property
    def limit(self) -> int | None:
        """The exact limit; None where none was met, or it is not known exactly."""
        return self.accepted if self.refused == self.accepted + 1 else None


def numbers_in(text: str) -> list[int]:
    """The whole numbers of a text: `2000`, `2,000`, `2k`."""
    return [int(digits.replace(",", "")) * THOUSANDS[suffix.lower()] for digits, suffix in NUMBER.findall(text)]


def _form(said: str) -> str:
    """The words without their numbers."""
    return re.sub(r"[0-9a-fx,]*\d[0-9a-f,]*", "#", said)


class Search:
    """Sizes from `least` to `most`, which begin at `first`."""

    def __init__(self, most: int, first: int = 1, least: int = 1, likely: Sequence[int] = (), most_calls: int = MOST_CALLS) -> None:
        self._good, self._bad = least - 1, most + 1
        self._most, self._first, self._likely, self._most_calls = most, first, likely, most_calls
        self._accepted = self._refused = self._echoes = False
        self._hints: list[int] = []
        self._tried = self._named = self.calls = 0
        self._doubted: int | None = None
        self._controlled = False
        self._refusals = frozenset[str]()
        self._proven = self._bad
        self._said = self._stopped = ""

    @property
    def bracket(self) -> tuple[int, int]:
        """The limit is at least the first number, and less than the second."""
        return self._good, self._bad

    def next(self) -> int | None:
        """The size to ask for; None where the search is over."""
        if self._good + 1 >= self._bad < self._proven and self._doubted is None:
            self._doubted, self._controlled = self._bad, not self._accepted
        if self._stopped or (self._good + 1 >= self._bad and self._doubted is None):
            return None
        if self.calls >= self._most_calls:
            self.stop(f"not known more exactly after {self.calls} calls")
            return None
        if self._doubted is not None:
            return self._doubted if self._controlled else self._good
        return self._halved() if self._refused else self._grown()

    def answered(self, size: int, verdict: Verdict, said: str = "") -> None:
        """How a question was answered: one of the size that `next` said, or of another one between `bracket`'s."""
        self.calls += 1
        if self._doubted is not None and not self._controlled:
            self._control(verdict, said)
        elif verdict is Verdict.OK:
            self._accept(size)
        elif verdict is Verdict.REFUSED or (self._doubted == size and verdict is Verdict.OTHER and self._accepted):
            self._refuse(size, said)
            self._proven, self._refusals = size, self._refusals | {_form(said)}
        elif verdict is Verdict.OTHER and self._doubted is None and _form(said) in self._refusals:
            self._refuse(size, said)  # on trust, until the end
        elif self._doubted == size:
            self.stop(said)
        else:
            # Where nothing went through yet there is nothing to compare with: it is only asked for again.
            self._doubted, self._controlled = size, not self._accepted

    def hint(self, numbers: Sequence[int]) -> None:
        """Sizes that the endpoint's own words name."""
        self._hints = [*numbers, *self._hints][:MOST_HINTS]

    def stop(self, why: str) -> None:
        """End it with what is known."""
        self._stopped = why or "failed"

    def found(self) -> Found:
        """What is known now."""
        refused = self._proven if self._proven <= self._most else None
        return Found(self._good if self._accepted else 0, refused, self.calls, self._said, self._stopped)

    def _control(self, verdict: Verdict, said: str) -> None:
        if verdict is Verdict.OK:
            self._controlled = True
        else:
            self.stop(said)

    def _accept(self, size: int) -> None:
        if size >= self._bad:
            self.stop("its answers change")
            return
        self._doubted, self._controlled, self._accepted = None, False, True
        self._good = max(self._good, size)

    def _refuse(self, size: int, said: str) -> None:
        self._doubted, self._controlled, self._refused = None, False, True
        self._bad, self._said = min(self._bad, size), said
        numbers = numbers_in(said)
        # A refusal may repeat the question, which names no limit: once it may be chance.
        self.hint([number for number in numbers if number != size or not self._echoes])
        self._echoes = self._echoes or size in numbers

    def _grown(self) -> int:
        grown = self._good * FACTOR if self._accepted else self._first
        return max(self._good + 1, min(self._most, grown))

    def _halved(self) -> int:
        # Was it the limit, or only a good guess? And "up to 2,000 blocks" may mean 2,000 others besides the first, or 1,999.
        if self._accepted and (self._good in (*self._hints, *self._likely) or self._good - 1 in self._hints):
            return self._good + 1
        if self._bad in self._hints and self._bad - 1 > self._good and self._named < MOST_NAMED:
            self._named += 1
            return self._bad - 1
        return self._guess() or (self._good + self._bad) // 2

    def _guess(self) -> int | None:
        hints = [size for size in self._hints if self._good < size < self._bad]
        if hints and self._named < MOST_NAMED:
            self._named += 1
            return hints[0]
        likely = [size for size in self._likely if self._good < size < self._bad]
        if not likely or self._tried >= MOST_LIKELY:
            return None
        self._tried += 1
        return min(likely, key=lambda size: abs(2 * size - self._good - self._bad))
