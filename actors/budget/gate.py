"""What every request to a chain's nodes passes: it waits for its turn, and is counted, by actor and method.

Nothing is reserved: what a call costs is counted in the step in which it is let through, and ages out of the window by itself, so an actor
that is killed while it waits, or while its call is under way, leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import trio

from actors.budget.governor import LAST_SHARE, SWEEP_SHARE, Governor
from actors.budget.month import MONTH, live_rate
from actors.budget.prices import CALL, Prices
from actors.budget.spender import SWEEPER, Spender, spender, spending
from actors.budget.tally import Tally
from actors.progress import waiting_for_others
from actors.timers import Timers

INF = float("inf")
LAST_SECS = 0.1  # who is last wakes after the sweep, which then has filled the window again


class Budget:
    """One chain's. `on_spend` hears the actor, the method and the units of each call; `starts_on` is the month's first day."""

    def __init__(self, chain: str, governor: Governor, starts_on: int = 1, timers: Timers | None = None) -> None:
        self.chain, self.governor, self.starts_on = chain, governor, starts_on
        self._timers = timers or Timers()
        self.tally = Tally()
        self.refusals = 0
        self.warned = False
        self.by_day: list[dict[str, Any]] = []  # for the status, as Postgres last said
        self.on_spend: Callable[[str, str, int], object] = lambda actor, method, units: None
        self.on_refused: Callable[[], object] = lambda: None
        self._turn = trio.Lock()

    async def pay(self, methods: Sequence[str]) -> None:
        """Wait until these calls, sent together, fit, and count them. The sweep's do not wait: they were let through with their batch."""
        units = self.governor.prices.total(methods)
        if spender().patient:
            await self._give_way()
        elif spender().live and (self._turn.locked() or self.governor.live_secs(units) > 0):
            await self._wait(units)
        for method in methods:
            self.note(method)

    async def _give_way(self) -> None:
        share, more = (LAST_SHARE, LAST_SECS) if spender().last else (SWEEP_SHARE, 0.0)
        with waiting_for_others():
            while self.governor.hold(share).secs > 0:
                await self._timers.sleep_until(lambda: trio.current_time() + self.governor.hold(share).secs + more)

    async def _wait(self, units: int) -> None:
        self.governor.live_waiting += 1
        try:
            with waiting_for_others():
                async with self._turn:  # first come, first served
                    while self.governor.live_secs(units) > 0:
                        await self._timers.sleep_until(lambda: trio.current_time() + self.governor.live_secs(units))
        finally:
            self.governor.live_waiting -= 1

    def note(self, method: str) -> None:
        """Count a call that is made, or a notification that has come, without waiting."""
        who, prices = spender(), self.governor.prices
        units, label = prices.of(method), prices.label(method)
        self.tally.add(who.actor, label, units)
        self.on_spend(who.actor, label, units)
        prepaid = min(who.prepaid, units)
        who.prepaid -= prepaid
        self.governor.spend(units - prepaid, who.live)

    def tune(self, prices: Prices, limit: int, cap: int, starts_on: int) -> None:
        """Other bounds from now on. What is known of the month follows when it is booked next, seconds later."""
        self.governor.tune(prices, limit, cap)
        self.starts_on = starts_on

    def refused(self, retry_after_secs: float | None) -> None:
        """A node asked for fewer requests."""
        self.refusals += 1
        self.on_refused()
        self.governor.refused(retry_after_secs)

    # The batcher's lanes.

    def sweep_secs(self) -> float:
        """How long no batch of the sweep may be begun; 0: it may be now."""
        return self.governor.hold().secs

    @contextmanager
    def batch(self, live: bool) -> Iterator[None]:
        """What is started here spends for a batch of that lane. The sweep's one call counts from now on, so that the next batch sees it."""
        who = replace(spender(), live=True)
        if not live:
            who = Spender(SWEEPER, live=False, prepaid=self.governor.prices.of(CALL))
            self.governor.spend(who.prepaid, live=False)
        with spending(who):
            yield

    def facts(self) -> dict[str, Any]:
        """What is shown of it; None stands for no limit, and for what is not known yet."""
        governor, month, hold = self.governor, self.governor.month, self.governor.hold()
        return {
            "name": self.chain,
            "prices": governor.prices.name,
            "window_secs": governor.prices.window_secs,
            "window_units": governor.window_units,
            "units_per_sec": finite(governor.units_per_sec),
            "learned_units_per_sec": finite(governor.learned_per_sec),
            "throttled": self.refusals,
            "month_units": month.units if month else None,
            "month_cap": governor.cap or None,
            "month_secs_left": round(month.secs_left) if month else None,
            "live_units_a_month": round(live_rate(month) * MONTH) if month else None,
            "sweep_units_per_sec": finite(governor.sweep_per_sec),
            "sweep_waits_for": hold.why if hold.secs > 0 else None,
        }


def finite(value: float) -> float | None:
    """A rate for JSON, where infinity stands for none."""
    return None if value == INF else round(value, 3)
