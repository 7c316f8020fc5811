"""The sweeper of one asset: every so often, the oldest rows are read again, in pages.

A tick that would start while the last one is open is dropped and counted, so that a slow node piles nothing up.
On crash or kill: the open pages live in the errand book, and what is unfinished of them is sent again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial

import trio

from actors.config import AssetConfig
from actors.errand import Errand
from actors.lap import Lap, go
from actors.log import get_logger
from actors.pace import Pace, pace
from actors.ports import ChainPorts
from actors.progress import effort
from actors.store import holders

log = get_logger("sweeper")


class Sweeper:
    """One incarnation. See the module."""

    def __init__(self, ports: ChainPorts, asset: AssetConfig) -> None:
        self._ports, self._name = ports, asset.name
        self._view = ports.asset_views[asset.name]

    @property
    def _asset(self) -> AssetConfig:
        """As it is configured now."""
        return self._ports.assets[self._name]

    def _open_pages(self) -> list[Errand]:
        return self._ports.book.open_of("tick", self._ports.config.name, self._name)

    async def stand_by(self) -> None:
        """Another copy of the process sweeps."""
        self._view.sweeps = False

    async def run(self) -> None:
        """Tick for ever."""
        self._view.sweeps = True
        async with trio.open_nursery() as nursery:
            left = self._open_pages()
            busy = trio.CapacityLimiter(1)
            if left:
                nursery.start_soon(self._resume, left, busy)
                await trio.lowlevel.checkpoint()
            due = trio.current_time()
            while True:
                if self._open_pages() or busy.borrowed_tokens:
                    self._view.ticks_dropped += 1
                    self._ports.metrics.sweep_ticks_dropped.labels(self._name).inc()
                else:
                    nursery.start_soon(self._tick, busy)
                due = await self._ports.timers.sleep_until(partial(self._next, due))

    async def _resume(self, left: list[Errand], busy: trio.CapacityLimiter) -> None:
        """What the last incarnation had under way, as one tick."""
        async with busy:
            for errand in left:
                await self._ports.see_through(errand, live=False)
                self._view.swept += errand.requested
            self._completed(sum(errand.requested for errand in left), sum(errand.updated for errand in left))

    def _next(self, last: float) -> float:
        return last + self._pace().interval_secs

    def _pace(self) -> Pace:
        sweeper = self._ports.sweeper
        return pace(self._view.tracked_wallets, self._asset.target_age_secs, sweeper.interval_secs, sweeper.batch_size)

    async def _tick(self, busy: trio.CapacityLimiter) -> None:
        """The first page is selected from the oldest row on, so that each tick finds rows that were put in behind the last one."""
        async with busy:
            sweeper = self._ports.sweeper
            with effort():
                wanted = await self._ports.sweep_store.patiently(
                    holders.prepare_tick, self._asset, sweeper.interval_secs, sweeper.batch_size
                )
            lap = Lap()
            await go(self._ports, self._asset, lap, wanted)
            if lap.requested:
                self._completed(lap.requested, lap.updated)

    def _completed(self, requested: int, updated: int) -> None:
        view = self._view
        view.ticks += 1
        view.last_tick_at = datetime.now(UTC)
        view.tick_requested, view.tick_updated = requested, updated
        self._ports.metrics.sweep_ticks.labels(self._name).inc()
        log.info("stale refresh: tick complete", asset=self._name, requested=requested, updated=updated)
