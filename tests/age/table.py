"""A table under a sweep, in virtual time: what an objective is judged by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from actors.age.ages import Ages, bucket_of
from actors.age.objective import Objective, Verdict
from actors.pace import Pace, pace

TARGET = 3600.0
EVERY_SECS = 20


class Table:
    """Rows by when they were read, oldest first. `speed`: the share of a tick that is really read, by the time; `sweeps`: whether it is
    this process; `measured`: what a measurement makes of the ages; `uncounted`: the forecast is one of no rows.
    """

    def __init__(self, rows: int, oldest_secs: float = 0.0, placeholders: int = 0, sweeps: bool = True) -> None:
        self.now, self._due = 0.0, 0.0
        self.read: Counter[float] = Counter(-oldest_secs * (rows - index) / rows for index in range(rows))
        self.placeholders, self.sweeps, self.swept = placeholders, sweeps, 0
        self.speed: Callable[[float], float] = lambda now: 1.0
        self.meets_target: bool | None = True
        self.uncounted = False
        self.measured: Callable[[Ages], Ages] = lambda ages: ages
        self._objective = Objective(TARGET, 0.0)

    @property
    def pace(self) -> Pace:
        """As the sweeper has it."""
        return pace(self.read.total() + self.placeholders, TARGET, 30, 50)

    def _tick(self) -> None:
        left = round(self.pace.rows * self.speed(self.now))
        fresh = min(left, self.placeholders)
        self.placeholders -= fresh
        done = fresh
        for at in list(self.read):
            taken = min(self.read[at], left - done)
            done += taken
            self.read[at] -= taken
            if self.read[at]:
                break
            del self.read[at]
        self.read[self.now] += done
        self.swept += done

    def _ages(self) -> Ages:
        counts: Counter[int] = Counter()
        for at, rows in self.read.items():
            counts[bucket_of(self.now - at)] += rows
        oldest = self.now - next(at for at, rows in self.read.items() if rows)
        return Ages(tuple(sorted(counts.items())), self.read.total(), self.placeholders, oldest)

    def verdicts(self, secs: float) -> Iterator[tuple[float, float, Verdict]]:
        """Time, the oldest row's age and the verdict, every few seconds."""
        until = self.now + secs
        while self.now < until:
            if self.now >= self._due:
                self._tick()
                self._due += self.pace.interval_secs
            ages, paced = self._ages(), self.pace
            plan = {"tick_rows": paced.rows, "tick_every_secs": paced.interval_secs, "secs": 7000.0, "meets_target": self.meets_target}
            if self.uncounted:  # as it is shown until the table is counted
                unplanned = pace(0, TARGET, 30, 50)
                plan |= {"tick_rows": unplanned.rows, "tick_every_secs": unplanned.interval_secs}
            costs = {"rows": 0 if self.uncounted else self.read.total(), "needs_units_per_sec": 2, "needs_units_per_month": 5_000_000}
            verdict = self._objective.judge(self.now, self.measured(ages), {**plan, **costs}, self.swept if self.sweeps else None)
            yield self.now, ages.max_secs or 0.0, verdict
            self.now += EVERY_SECS
