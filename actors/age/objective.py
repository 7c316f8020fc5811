"""Whether the rows keep within `target_age_secs`, judged before the first one passes it. No Trio; the clock is handed in.

A table that is so old at the start that no sweep at its pace would be in time is *behind* for one sweep, which is said with its progress and
is no fault: its rows' ages count from the start of the service at the earliest. A whole target later they are one, as any other's.
What is coming is told from two sides:
- the budget: the forecast's sweep takes longer than the target (*unreachable*);
- the progress: each row's age, and how many are older and so come before it, over the rate at which rows were read of late (*late*). Over
  few ticks a sweep that stands still is seen soon, over more of them one that is a little too slow.
Either must hold for a while, unless there is no while left: a call begins small and grows, a provider refuses for a minute, a tick comes
every few minutes. A sweep at its pace comes to nine tenths of the target, so that an old row alone says nothing before that.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from actors.age.ages import Ages

State = Literal["met", "behind", "late", "unreachable", "missed", "unknown"]
WATCHED_FROM = 0.8  # of the target: what is younger has time enough for a sweep that is slow just now
ENDS_AT = 0.95  # of the target: no time is left for patience
LATE_PATIENCE = 0.05  # of the target, and the longest window: a shorter stall is over by then, and out of the window
BUDGET_PATIENCE, BUDGET_PATIENCE_SECS = 0.05, 600.0  # of the target, and at most
WINDOW = 0.05  # of the target: over which a rate is taken, in whole ticks, and at least in so many
WINDOW_TICKS = (3, 10)
POINTS = 64


@dataclass(frozen=True, slots=True)
class Verdict:
    """`why`: in words, unless the target is met. `peak_secs`: how old some row will be before it is read, as far as the progress tells.
    `swept_share`: of the rows, those that were read since the service started.
    """

    target_secs: float
    state: State
    why: str | None = None
    peak_secs: float | None = None
    swept_share: float | None = None

    @property
    def at_risk(self) -> bool:
        """Whether somebody should look after it."""
        return self.state not in ("met", "behind")

    def shown(self) -> dict[str, Any]:
        """For /api/status."""
        peak = None if self.peak_secs is None or self.peak_secs == math.inf else round(self.peak_secs, 1)
        share = None if self.swept_share is None else round(self.swept_share, 4)
        known = {"target_secs": self.target_secs, "state": self.state, "at_risk": self.at_risk}
        return {**known, "why": self.why, "peak_secs": peak, "swept_share": share}


def unknown(target_secs: float, for_secs: float, why: str | None) -> Verdict:
    """Where the ages could not be measured for so long that they say nothing any more."""
    return Verdict(target_secs, "unknown", f"the ages of the rows could not be measured for {_secs(for_secs)}: {why or 'no answer yet'}")


class Progress:
    """How fast rows are read, from a count that only grows. Bounded."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def saw(self, now: float, swept: int, longest_secs: float) -> None:
        """So many rows were read by now; what is older than the longest window is forgotten."""
        if not self._seen or now - self._seen[-1][0] >= longest_secs / POINTS:
            self._seen.append((now, swept))
        while len(self._seen) > 1 and self._seen[1][0] <= now - longest_secs:
            self._seen.popleft()

    def rate(self, now: float, swept: int, secs: float) -> float | None:
        """Rows a second over the last so many; None before they have passed."""
        before = next((one for one in reversed(self._seen) if one[0] <= now - secs), None)
        return None if before is None else (swept - before[1]) / (now - before[0])

    def forget(self) -> None:
        """Somebody else sweeps."""
        self._seen.clear()


def peak(ages: Ages, rate: float, tick_rows: int, at_most: float) -> float:
    """The greatest age that a row will have before it is read, when rows are read at that rate, oldest first and `tick_rows` at once.
    An age counts as `at_most`.
    """
    worst, before = 0.0, float(ages.placeholders)
    for age, rows in ages.by_age():
        before += rows
        waits = max(0.0, before - tick_rows)
        worst = max(worst, min(age, at_most) + (waits / rate if rate else math.inf if waits else 0.0))
    return worst


class _Held:
    """Since when something holds."""

    def __init__(self) -> None:
        self._since: float | None = None

    def for_secs(self, now: float, holds: bool) -> float:
        """For how long it has held without a break; -1: it does not."""
        if not holds:
            self._since = None
            return -1.0
        self._since = now if self._since is None else self._since
        return now - self._since


class Objective:
    """One asset's. `judge` is asked every few seconds."""

    def __init__(self, target_secs: float, began: float) -> None:
        self.target_secs, self._began = target_secs, began
        self._was_behind: bool | None = None
        self._progress, self._unreachable, self._late = Progress(), _Held(), _Held()

    def judge(self, now: float, ages: Ages, forecast: Mapping[str, Any], swept: int | None) -> Verdict:
        """`forecast` as it is shown. `swept`: how many rows this process has swept so far; None where another copy does it."""
        target, up = self.target_secs, self._up(now, ages, forecast)
        # A bucket is one percent wide.
        share = 1 - ages.older_than(1.01 * (now - self._began)) / ages.rows if ages.rows else None
        coming = self._peak(now, ages, forecast, swept, up)
        oldest = ages.oldest_secs or 0.0
        counted = min(oldest, up)
        unreachable = self._unreachable.for_secs(now, forecast.get("meets_target") is False)
        late_for = self._late.for_secs(now, coming is not None and coming > target and counted >= WATCHED_FROM * target)
        late = late_for >= LATE_PATIENCE * target + self._windows(forecast)[-1] or (counted >= ENDS_AT * target and (late_for >= 0 or swept is None))
        too_dear = unreachable >= min(BUDGET_PATIENCE * target, BUDGET_PATIENCE_SECS)
        state, why = self._state(counted, oldest, too_dear, late)
        return Verdict(target, state, self._words(why, oldest, coming, forecast, share), coming, share)

    def _up(self, now: float, ages: Ages, forecast: Mapping[str, Any]) -> float:
        """What an age counts as at most: the time since the start, where the table was too old by then for any sweep at its pace. So it
        does too until that can be told: while a measurement counted no rows, or the forecast is one of no rows, any table looks alike.
        """
        if self._was_behind is None and ages.rows and ages.counts and forecast.get("rows"):
            rows, every = float(forecast.get("tick_rows") or 0), float(forecast.get("tick_every_secs") or 0.0)
            self._was_behind = peak(ages, rows / every if every else 0.0, int(rows), math.inf) > self.target_secs
        return math.inf if self._was_behind is False else now - self._began

    def _peak(self, now: float, ages: Ages, forecast: Mapping[str, Any], swept: int | None, up: float) -> float | None:
        """The worst that any of the rates makes of it."""
        if swept is None:
            self._progress.forget()
            return None
        rows, windows = int(forecast.get("tick_rows") or 0), self._windows(forecast)
        self._progress.saw(now, swept, windows[-1])
        rates = [self._progress.rate(now, swept, secs) for secs in windows]
        return max((peak(ages, rate, rows, up) for rate in rates if rate is not None), default=None)

    def _windows(self, forecast: Mapping[str, Any]) -> list[float]:
        every = float(forecast.get("tick_every_secs") or 0.0) or 1.0
        return [every * max(ticks, math.ceil(WINDOW * self.target_secs / every)) for ticks in WINDOW_TICKS]

    def _state(self, counted: float, oldest: float, unreachable: bool, late: bool) -> tuple[State, str]:
        """The state, and the words for it. `counted`: the oldest row's age, from the start of the service at the earliest."""
        if counted > self.target_secs:
            return "missed", "the oldest row was read {oldest} ago, the target is {target}"
        if unreachable:
            return "unreachable", "a sweep takes {sweep} within the budget, the target is {target}: it needs {needs}"
        if late:
            return "late", "rows come to be {coming} old before they are read again, the target is {target}: the sweep is too slow"
        if oldest > self.target_secs:
            return "behind", "the oldest row was read {oldest} ago, before the service started; {share} of the rows were read since"
        return "met", ""

    def _words(self, why: str, oldest: float, coming: float | None, forecast: Mapping[str, Any], share: float | None) -> str | None:
        sweep = forecast.get("secs")
        needs = f"{forecast.get('needs_units_per_sec')} units a second, {forecast.get('needs_units_per_month')} a month"
        return (
            why.format(
                oldest=_secs(oldest),
                target=_secs(self.target_secs),
                coming=_secs(oldest if coming is None else coming),
                sweep=_secs(math.inf if sweep is None else sweep),
                needs=needs,
                share="none" if share is None else f"{share:.0%}",
            )
            or None
        )


def _secs(secs: float) -> str:
    return "for ever" if secs == math.inf else f"{secs:.0f} s"
