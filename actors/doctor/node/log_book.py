"""Which logs some blocks hold, so that a question can be put that is answered with so many and no other number. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from actors.errors import BadAnswer

MOST_ADDRESSES = 900  # in one question: geth takes 1,000


@dataclass(frozen=True)
class Question:
    """A filter, and how many logs answer it."""

    first: int
    last: int
    addresses: tuple[str, ...]  # none: of all contracts
    count: int

    def filter(self) -> dict[str, Any]:
        """As eth_getLogs takes it."""
        where: dict[str, Any] = {"fromBlock": hex(self.first), "toBlock": hex(self.last)}
        return {**where, "address": list(self.addresses)} if self.addresses else where


class LogBook:
    """The logs of consecutive blocks, filled from `last` downwards. `first`: the lowest block that is known."""

    def __init__(self, last: int) -> None:
        self.last, self.first, self.total = last, last + 1, 0
        self._by_block: dict[int, Counter[str]] = {}

    def add(self, first: int, logs: Iterable[Mapping[str, Any]]) -> None:
        """The logs of the blocks from `first` to the lowest one that was known. Raises BadAnswer where one of them is none."""
        try:
            found = [(int(log["blockNumber"], 16), log["address"].lower()) for log in logs]
        except (LookupError, TypeError, ValueError, AttributeError):
            raise BadAnswer("eth_getLogs: not a list of logs") from None
        self.first, self.total = first, self.total + len(found)
        for block, address in found:
            self._by_block.setdefault(block, Counter())[address] += 1

    def question(self, count: int, more_than: int) -> Question | None:
        """One that is answered with `count` logs; else with fewer, but more than `more_than`; None where there is neither.

        The fewest blocks that hold enough; of their contracts the busiest that fit, and then the smaller ones, which fill it up.
        """
        by_address: Counter[str] = Counter()
        for block in range(self.last, self.first - 1, -1):
            by_address.update(self._by_block.get(block, {}))
            if by_address.total() == count:
                return Question(block, self.last, (), count)
            if by_address.total() > count:
                return self._some(block, by_address, count, more_than)
        return None

    def _some(self, block: int, by_address: Counter[str], count: int, more_than: int) -> Question | None:
        chosen, held = list[str](), 0
        for address, logs in by_address.most_common():
            if held + logs <= count and len(chosen) < MOST_ADDRESSES:
                chosen.append(address)
                held += logs
        return Question(block, self.last, tuple(chosen), held) if held > more_than else None
