"""The sweeper of one asset: every so often, the oldest rows become touches. One tick is one errand.

A tick that would start while the last one is open is dropped and counted, so that a slow node piles nothing up.
On crash or kill: the open tick lives in the errand book, and what is unfinished of it is sent again.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import psycopg
import trio

from actors.config import AssetConfig
from actors.errand import Errand
from actors.log import get_logger
from actors.messages import Touch
from actors.ports import ChainPorts
from actors.store import holders

log = get_logger("sweeper")


def tick_size(rows: int, interval_secs: float, target_age_secs: float, batch_size: int) -> int:
    """How many rows one tick reads: the config's number, or what renews `rows` within the target age."""
    if not target_age_secs:
        return batch_size
    return max(1, math.ceil(rows * interval_secs / target_age_secs))


class Sweeper:
    """One incarnation. See the module."""

    def __init__(self, ports: ChainPorts, asset: AssetConfig) -> None:
        self._ports, self._asset = ports, asset
        self._view = ports.asset_views[asset.name]

    def _open_tick(self) -> Errand | None:
        ticks = self._ports.book.open_of("tick", self._ports.config.name, self._asset.name)
        return ticks[0] if ticks else None

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Tick for ever."""
        async with trio.open_nursery() as nursery:
            task_status.started()
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
                due += self._ports.sweeper.interval_secs
                await trio.sleep_until(due)

    async def _tick(self, busy: trio.CapacityLimiter) -> None:
        async with busy:
            wallets = await self._ports.sweep_store.patiently(self._select)
            if not wallets:
                return
            errand = self._ports.book.register(
                "tick",
                self._ports.config.name,
                self._asset.name,
                [Touch(self._asset.name, wallet, live=False) for wallet in wallets],
            )
            await self._see_through(errand)

    def _select(self, conn: psycopg.Connection[Any]) -> list[bytes]:
        asset, sweeper = self._asset, self._ports.sweeper
        if asset.track not in ("discover", "table"):
            holders.insert_placeholders(conn, asset)
        rows = holders.count(conn, asset) if asset.target_age_secs else 0
        size = tick_size(rows, sweeper.interval_secs, asset.target_age_secs, sweeper.batch_size)
        return holders.oldest(conn, asset, size)

    async def _see_through(self, errand: Errand) -> None:
        await self._ports.send(errand, live=False)
        await errand.done.wait()
        view = self._view
        view.ticks += 1
        view.last_tick_at = datetime.now(UTC)
        view.tick_requested, view.tick_updated = errand.requested, errand.updated
        self._ports.metrics.sweep_ticks.labels(self._asset.name).inc()
        log.info("stale refresh: tick complete", asset=self._asset.name, requested=errand.requested, updated=errand.updated)
