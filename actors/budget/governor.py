"""One chain's decisions: whether a call may be made now, and if not how long it has to wait. No Trio; the clock is handed in.

Live events spend first: they wait only for the provider's window. The sweep takes what they leave of it, waits while one of them does,
and keeps to its share of the month.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from actors.budget.ceiling import Ceiling
from actors.budget.month import Allowance, MonthSpent, sweep_rate
from actors.budget.prices import CALL, Prices
from actors.budget.window import Window

SWEEP_SHARE = 0.8  # of the window: the rest is for events that come while it is full of the sweep's calls
LAST_SHARE = 0.6  # what may wait for the sweep as well: of a window that the sweep fills it gets nothing
FLOOR_CALLS_PER_SEC = 5.0
LEAST_WAIT_SECS = 0.05
LONGEST_PAUSE_SECS = 3600.0
INF = float("inf")


class Hold(NamedTuple):
    """How long the sweep has to wait, and for what: retry-after, window, live or month; nothing where it need not."""

    secs: float = 0.0
    why: str = ""


class Governor:
    """See the module. `limit` in units a second and `cap` in units a month are the operator's; 0: none. `now` is monotonic."""

    def __init__(self, prices: Prices, limit: int, cap: int, now: Callable[[], float]) -> None:
        self.prices, self.cap, self._now = prices, cap, now
        self._window = Window(prices.window_secs)
        self._ceiling = Ceiling(limit or INF, _floor(prices), prices.window_secs)
        self._allowance = Allowance()
        self._month: MonthSpent | None = None
        self._month_at = 0.0
        self._paused_until = -INF
        self.live_waiting = 0

    def tune(self, prices: Prices, limit: int, cap: int) -> None:
        """Other bounds from now on. What was spent stays spent; the rate that refusals taught is forgotten with the units that it is in."""
        now = self._now()
        if prices != self.prices:
            used, self._window = self._window.used(now), Window(prices.window_secs)
            self._window.add(now, used)
            self._ceiling = Ceiling(limit or INF, _floor(prices), prices.window_secs)
        self._ceiling.tune(limit or INF, _floor(prices))
        self.prices, self.cap = prices, cap
        if cap and (month := self.month) is not None:
            self._allowance.set_rate(now, sweep_rate(cap, month))

    def spend(self, units: int, live: bool) -> None:
        """Units that a call costs which is made now, or a notification that has come."""
        now = self._now()
        self._window.add(now, units)
        if not live:
            self._allowance.take(now, units)
        if self._month is not None:
            self._month = replace(self._month, units=self._month.units + units)

    def refused(self, retry_after_secs: float | None) -> None:
        """The provider asked for fewer requests."""
        now = self._now()
        self._ceiling.refused(now, self._window.used(now) / self._window.secs)
        self._paused_until = max(self._paused_until, now + min(retry_after_secs or 0.0, LONGEST_PAUSE_SECS))

    def booked(self, month: MonthSpent) -> None:
        """What Postgres says of the month, together with what is not there yet."""
        self._month, self._month_at = month, self._now()
        if self.cap:
            self._allowance.set_rate(self._month_at, sweep_rate(self.cap, month))

    def live_secs(self, units: int) -> float:
        """How long a live call of so many units has to wait. One that is larger than the window goes when that is empty."""
        now = self._now()
        most = self._ceiling.at(now) * self._window.secs
        return 0.0 if most == INF else self._window.secs_until(now, max(0.0, most - units))

    def hold(self, share: float = SWEEP_SHARE) -> Hold:
        """Whether the sweep, or whoever has that share of the window, has to wait, for the longest of its reasons."""
        longest = max(self._holds(share), default=Hold())
        return longest if longest.secs <= 0 else Hold(max(LEAST_WAIT_SECS, longest.secs), longest.why)

    def _holds(self, share: float) -> list[Hold]:
        now = self._now()
        most = self._ceiling.at(now) * self._window.secs * share
        return [
            Hold(self._paused_until - now, "retry-after"),
            Hold(0.0 if most == INF else self._window.secs_until(now, most), "window"),
            Hold(LEAST_WAIT_SECS if self.live_waiting else 0.0, "live"),
            Hold(self._month_secs(now), "month"),
        ]

    def _month_secs(self, now: float) -> float:
        if not self.cap:
            return 0.0
        return 1.0 if self._month is None else self._allowance.delay(now)  # not known yet: as little as possible

    # What is shown, and forecast with.

    @property
    def window_units(self) -> int:
        """What is in the window now."""
        return self._window.used(self._now())

    @property
    def units_per_sec(self) -> float:
        """The rate that is kept now; infinity: none."""
        return self._ceiling.at(self._now())

    @property
    def learned_per_sec(self) -> float:
        """The rate that refusals have taught; infinity: none."""
        return self._ceiling.learned(self._now())

    @property
    def month(self) -> MonthSpent | None:
        """The month up to now; None before Postgres was asked."""
        if self._month is None:
            return None
        gone = self._now() - self._month_at
        return replace(self._month, secs_left=max(0.0, self._month.secs_left - gone))

    @property
    def sweep_per_sec(self) -> float:
        """What the sweep may spend in units a second, on the average, by the rate, by the month, or by what the provider states."""
        by_month = self._allowance.rate if self.cap else INF
        by_rate = min(self.units_per_sec, self.prices.stated_per_sec if self._ceiling.limit == INF else INF)
        return min(by_month, by_rate * SWEEP_SHARE)


def _floor(prices: Prices) -> float:
    return FLOOR_CALLS_PER_SEC * prices.of(CALL)
