"""The month's cap: when a month begins, and what the sweep may spend of what is left.

The rate follows from what is left, less what live events will take, over the time that is left. So it falls as the cap comes nearer, and
reaches it never; unspent units come back as a higher rate. Short bursts are free: up to an hour's worth may be spent at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

HOUR, DAY, MONTH = 3600.0, 86_400.0, 30 * 86_400.0
LONGEST_WAIT_SECS = 30.0  # then it is asked again: other copies of the process spend, too


def month_of(now: datetime, starts_on: int) -> tuple[datetime, datetime]:
    """The first moment of the provider's month that `now` is in, and of the next one. `starts_on`: a day of 1 to 28."""
    begins = now.replace(day=starts_on, hour=0, minute=0, second=0, microsecond=0)
    if now < begins:
        return _months_later(begins, -1), begins
    return begins, _months_later(begins, 1)


def _months_later(day: datetime, months: int) -> datetime:
    years, month = divmod(day.month - 1 + months, 12)
    return day.replace(year=day.year + years, month=month + 1)


@dataclass(frozen=True, slots=True)
class MonthSpent:
    """What Postgres says of a chain's month: units of all processes, those of live events, over how many seconds these were spent, and
    how many seconds the month still has.
    """

    units: int
    live_units: int
    live_secs: float
    secs_left: float


def live_rate(spent: MonthSpent) -> float:
    """Units a second of live events so far. A first hour says little of a month: it counts as a day."""
    return spent.live_units / max(spent.live_secs, DAY)


def sweep_rate(cap: int, spent: MonthSpent) -> float:
    """Units a second that the sweep may spend from here to the month's end, so that live events have theirs."""
    left = cap - spent.units - live_rate(spent) * spent.secs_left
    return max(0.0, left) / max(spent.secs_left, HOUR)


def units_by_end(spent: MonthSpent, sweeps_a_month: float) -> int:
    """What the month will have cost in units: live events as so far, and sweeps at their pace, in units of 30 days."""
    return round(spent.units + (live_rate(spent) + sweeps_a_month / MONTH) * spent.secs_left)


class Allowance:
    """Units that the sweep may spend now: they accrue at a rate that changes, up to an hour's worth."""

    def __init__(self) -> None:
        self._units: float | None = None
        self.rate, self._at = 0.0, 0.0

    def set_rate(self, now: float, rate: float) -> None:
        """The rate from now on, in units a second."""
        held = rate * HOUR if self._units is None else self._held(now)
        self.rate, self._at, self._units = rate, now, min(held, rate * HOUR)

    def take(self, now: float, units: int) -> None:
        """They are spent, whether or not there were as many."""
        if self._units is not None:
            self._units, self._at = self._held(now) - units, now

    def delay(self, now: float) -> float:
        """Seconds until anything may be spent, but not longer than until it is worth asking again."""
        held = self._held(now)
        if held > 0:
            return 0.0
        return min(LONGEST_WAIT_SECS, (1 - held) / self.rate) if self.rate > 0 else LONGEST_WAIT_SECS

    def _held(self, now: float) -> float:
        return min(self.rate * HOUR, (self._units or 0.0) + self.rate * (now - self._at))
