"""A rolling window: what was spent within the provider's last so many seconds."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

SLOTS = 50  # so that memory does not grow with the number of calls; the window is that fraction longer than it says


@dataclass
class _Slot:
    began_at: float
    units: int


class Window:
    """Sums of units in slots of time, the oldest of which are forgotten."""

    def __init__(self, secs: float) -> None:
        self.secs, self._slot_secs = secs, secs / SLOTS
        self._slots: deque[_Slot] = deque()
        self._sum = 0

    def add(self, now: float, units: int) -> None:
        """Units that are spent now."""
        if not self._slots or now - self._slots[-1].began_at >= self._slot_secs:
            self._slots.append(_Slot(now, 0))
        self._slots[-1].units += units
        self._sum += units
        self._forget(now)

    def used(self, now: float) -> int:
        """How many units are in the window."""
        self._forget(now)
        return self._sum

    def secs_until(self, now: float, most: float) -> float:
        """How long it takes until no more than `most` units are in it; `most` is not negative."""
        self._forget(now)
        left, ends = self._sum, now
        for slot in self._slots:
            if left <= most:
                break
            left, ends = left - slot.units, self._end(slot)
        return ends - now

    def _end(self, slot: _Slot) -> float:
        return slot.began_at + self._slot_secs + self.secs

    def _forget(self, now: float) -> None:
        while self._slots and self._end(self._slots[0]) <= now:
            self._sum -= self._slots.popleft().units
