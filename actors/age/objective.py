"""Whether the rows keep within `target_age_secs`, judged before the first one passes it. No Trio; the clock is handed in.

A row's age counts from the start of the service at the earliest: a table that is old by then is *behind* for one sweep, which is said with
its progress and is no fault; a whole target later it is one. What is coming is told from two sides:
- the budget: the forecast's sweep takes longer than the target (*unreachable*);
- the progress: each row's age, and how many are older and so come before it, over the rate at which rows were read of late (*late*).
Either must hold for a while: a call begins small and grows, a provider refuses for a minute, a tick comes every few minutes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from actors.age.ages import Ages

State = Literal["met", "behind", "late", "unreachable", "missed"]
WATCHED_FROM = 0.8  # of the target: what is younger has time enough for a sweep that is slow just now
PATIENCE = 0.05  # of the target
LONGEST_PATIENCE_SECS = 600.0
WINDOW = 0.05  # of the target: over which the rate is taken, and over three ticks at least
WINDOW_TICKS = 3
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
        return self.state in ("late", "unreachable", "missed")

    def shown(self) -> dict[str, Any]:
        """For /api/status."""
        peak = None if self.peak_secs is None or self.peak_secs == math.inf else round(self.peak_secs, 1)
        share = None if self.swept_share is None else round(self.swept_share, 4)
        known = {"target_secs": self.target_secs, "state": self.state, "at_risk": self.at_risk}
        return {**known, "why": self.why, "peak_secs": peak, "swept_share": share}


class Progress:
    """How fast rows are read, from a count that only grows. Bounded."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def rate(self, now: float, swept: int, tick_rows: int, window_secs: float) -> float | None:
        """Rows a second over the window; None before one has passed. One tick more than was seen: the next may be just due."""
        if not self._seen or now - self._seen[-1][0] >= window_secs / POINTS:
            self._seen.append((now, swept))
        while len(self._seen) > 1 and self._seen[1][0] <= now - window_secs:
            self._seen.popleft()
        since, before = self._seen[0]
        return (swept - before + tick_rows) / (now - since) if now - since >= window_secs else None

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
        self._target, self._began = target_secs, began
        self._progress, self._unreachable, self._late = Progress(), _Held(), _Held()

    def judge(self, now: float, ages: Ages, forecast: Mapping[str, Any], swept: int | None) -> Verdict:
        """`forecast` as it is shown. `swept`: how many rows this process has swept so far; None where another copy does it."""
        target, up = self._target, now - self._began
        patience = min(PATIENCE * target, LONGEST_PATIENCE_SECS)
        coming = self._peak(now, ages, forecast, swept, up)
        share = 1 - ages.older_than(up) / ages.rows if ages.rows else None
        oldest = ages.max_secs or 0.0
        unreachable = self._unreachable.for_secs(now, forecast.get("meets_target") is False) >= patience
        is_late = coming is not None and coming > target and min(oldest, up) >= WATCHED_FROM * target
        late = self._late.for_secs(now, is_late) >= patience
        state, why = self._state(min(oldest, up), oldest, unreachable, late)
        return Verdict(target, state, self._words(why, oldest, coming, forecast, share), coming, share)

    def _peak(self, now: float, ages: Ages, forecast: Mapping[str, Any], swept: int | None, up: float) -> float | None:
        if swept is None:
            self._progress.forget()
            return None
        tick = int(forecast.get("tick_rows") or 0)
        window = max(WINDOW * self._target, WINDOW_TICKS * float(forecast.get("tick_every_secs") or 0.0))
        rate = self._progress.rate(now, swept, tick, window)
        return None if rate is None else peak(ages, rate, tick, up)

    def _state(self, counted: float, oldest: float, unreachable: bool, late: bool) -> tuple[State, str]:
        """The state, and the words for it. `counted`: the oldest row's age, from the start of the service at the earliest."""
        if counted > self._target:
            return "missed", "the oldest row was read {oldest} ago, the target is {target}"
        if unreachable:
            return "unreachable", "a sweep takes {sweep} within the budget, the target is {target}: it needs {needs}"
        if late:
            return "late", "rows will be {coming} old before they are read again, the target is {target}: the sweep is too slow"
        if oldest > self._target:
            return "behind", "the oldest row was read {oldest} ago, before the service started; {share} of the rows were read since"
        return "met", ""

    def _words(self, why: str, oldest: float, coming: float | None, forecast: Mapping[str, Any], share: float | None) -> str | None:
        sweep = forecast.get("secs")
        needs = f"{forecast.get('needs_units_per_sec')} units a second, {forecast.get('needs_units_per_month')} a month"
        return (
            why.format(
                oldest=_secs(oldest),
                target=_secs(self._target),
                coming=_secs(math.inf if coming is None else coming),
                sweep=_secs(math.inf if sweep is None else sweep),
                needs=needs,
                share="none" if share is None else f"{share:.0%}",
            )
            or None
        )


def _secs(secs: float) -> str:
    return "for ever" if secs == math.inf else f"{secs:.0f} s"
