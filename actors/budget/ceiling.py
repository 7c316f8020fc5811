"""The rate that a provider really takes, learned from its refusals: it falls by a factor at once, and rises slowly."""

from __future__ import annotations

FALL = 0.7
RISES_IN_SECS = 120.0  # by as much as was refused
FORGOTTEN_AT = 2.0  # of the refused rate
INF = float("inf")


class Ceiling:
    """Units a second. `limit` is the operator's (infinity: none); it never falls below `floor`, so that live calls go on in any case."""

    def __init__(self, limit: float, floor: float, window_secs: float) -> None:
        self.limit, self._floor, self._window_secs = limit, min(floor, limit), window_secs
        self._refused = INF  # the rate at the last refusal
        self._fell_to, self._fell_at = INF, -INF

    def tune(self, limit: float, floor: float) -> None:
        """The operator's bounds from now on; what was learned stays."""
        self.limit, self._floor = limit, min(floor, limit)

    def refused(self, now: float, rate: float) -> None:
        """The provider refused a call while so many units a second were being spent. Calls refused together count as one."""
        if now - self._fell_at < self._window_secs:
            return
        self._refused = max(self._floor, min(rate, self.at(now)))
        self._fell_to, self._fell_at = max(self._floor, FALL * self._refused), now

    def learned(self, now: float) -> float:
        """What the refusals have taught; infinity where there were none, or long ago."""
        if self._fell_to == INF:
            return INF
        risen = self._fell_to + self._refused * (now - self._fell_at) / RISES_IN_SECS
        return risen if risen < FORGOTTEN_AT * self._refused else INF

    def at(self, now: float) -> float:
        """The rate to keep now."""
        return min(self.limit, self.learned(now))
