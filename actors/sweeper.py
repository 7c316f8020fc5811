"""The sweeper of one asset: every so often, the oldest rows become touches. One tick is one errand.

A tick that would start while the last one is open is dropped and counted, so that a slow node piles nothing up.
On crash or kill: the open tick lives in the errand book, and what is unfinished of it is sent again.
"""

from __future__ import annotations

from datetime import UTC, datetime

import trio

from actors.config import AssetConfig
from actors.errand import Errand
from actors.log import get_logger
from actors.messages import Touch
from actors.pace import Pace, pace
from actors.ports import ChainPorts
from actors.progress import effort
from actors.store import holders

log = get_logger("sweeper")


class Sweeper:
    """One incarnation. See the module."""

    def __init__(self, ports: ChainPorts, asset: AssetConfig) -> None:
        self._ports, self._asset = ports, asset
        self._view = ports.asset_views[asset.name]

    def _open_tick(self) -> Errand | None:
        ticks = self._ports.book.open_of("tick", self._ports.config.name, self._asset.name)
        return ticks[0] if ticks else None

    async def stand_by(self) -> None:
        """Another copy of the process sweeps."""
        self._view.sweeps = False

    async def run(self) -> None:
        """Tick for ever."""
        self._view.sweeps = True
        async with trio.open_nursery() as nursery:
            if (left := self._open_tick()) is not None:
                nursery.start_soon(self._see_through, left)
            due = trio.current_time()
            busy = trio.CapacityLimiter(1)
            while True:
                if self._open_tick() is not None or busy.borrowed_tokens:
                    self._view.ticks_dropped += 1
                    self._ports.metrics.sweep_ticks_dropped.labels(self._asset.name).inc()
                else:
                    nursery.start_soon(self._tick, busy)
                due += self._pace().interval_secs
                await trio.sleep_until(due)

    def _pace(self) -> Pace:
        sweeper = self._ports.sweeper
        return pace(self._view.tracked_wallets, self._asset.target_age_secs, sweeper.interval_secs, sweeper.batch_size)

    async def _tick(self, busy: trio.CapacityLimiter) -> None:
        async with busy:
            sweeper = self._ports.sweeper
            with effort():
                wallets = await self._ports.sweep_store.patiently(
                    holders.select_tick, self._asset, sweeper.interval_secs, sweeper.batch_size
                )
            if not wallets:
                return
            errand = self._ports.book.register(
                "tick",
                self._ports.config.name,
                self._asset.name,
                [Touch(self._asset.name, wallet, live=False) for wallet in wallets],
            )
            await self._see_through(errand)

    async def _see_through(self, errand: Errand) -> None:
        await self._ports.see_through(errand, live=False)
        view = self._view
        view.ticks += 1
        view.last_tick_at = datetime.now(UTC)
        view.tick_requested, view.tick_updated = errand.requested, errand.updated
        self._ports.metrics.sweep_ticks.labels(self._asset.name).inc()
        log.info("stale refresh: tick complete", asset=self._asset.name, requested=errand.requested, updated=errand.updated)
