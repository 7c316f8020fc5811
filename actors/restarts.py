"""When what has failed may be tried again: how many crashes are too many, and how long to wait after one. No Trio."""

from __future__ import annotations

from collections import deque

HEALTHY_SECS = 10.0


class RestartBudget:
    """Counts crashes in a sliding window, as `supervisor.erl` does: the new one is counted first, then compared."""

    def __init__(self, max_restarts: int, within_secs: float) -> None:
        self._most, self._within = max_restarts, within_secs
        self._crashes: deque[float] = deque()

    def tune(self, max_restarts: int, within_secs: float) -> None:
        """Other bounds from now on; what was counted stays."""
        self._most, self._within = max_restarts, within_secs

    def allows(self, now: float) -> bool:
        """Count a crash at `now`; False when that is one too many."""
        self._crashes.append(now)
        while self._crashes[0] < now - self._within:
            self._crashes.popleft()
        return len(self._crashes) <= self._most


class Backoff:
    """Doubling delays, which begin anew after a long enough life."""

    def __init__(self, initial_secs: float, max_secs: float, healthy_secs: float = HEALTHY_SECS) -> None:
        self._initial, self._max, self._healthy = initial_secs, max_secs, healthy_secs
        self._next = initial_secs

    def after(self, lived_secs: float) -> float:
        """The delay to take after an attempt that lived this long."""
        if lived_secs >= self._healthy:
            self._next = self._initial
        delay, self._next = self._next, min(self._next * 2, self._max)
        return delay
