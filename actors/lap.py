"""A lap over an asset's rows, oldest first, in pages: what a tick of the sweeper and `trueup sweep` have in common.

Several pages are under way at once. Each is an errand, so that one that was begun by a killed sweeper is seen through by the next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import trio

from actors.config import AssetConfig
from actors.errand import Errand
from actors.evm.size import FIRST
from actors.mailbox import Bell
from actors.ports import ChainPorts
from actors.progress import effort
from actors.store import pages
from actors.store.pages import Selected

AHEAD = 4  # pages under way beyond the calls in flight: being selected, or written


@dataclass
class Lap:
    """How far it has come. `since` and `passing` are where the next select begins: see `pages.oldest_page`."""

    before: datetime | None = None
    requested: int = 0
    updated: int = 0
    since: datetime | None = None
    _stuck: int = 0
    _under_way: dict[int, Selected] = field(default_factory=dict)

    def took(self, errand: int, page: Selected) -> None:
        """A page was selected."""
        self.requested += page.count
        self._stuck = self._stuck if page.last == self.since else 0
        self.since = page.last
        self._under_way[errand] = page

    def ended(self, errand: Errand) -> None:
        """A page's errand has ended."""
        self.updated += errand.updated
        page = self._under_way.pop(errand.id)
        if page.last == self.since:
            self._stuck += min(page.ties, errand.requested - errand.updated)

    @property
    def pages(self) -> int:
        """How many are under way."""
        return len(self._under_way)

    @property
    def passing(self) -> int:
        """How many of the rows of `since` are under way, or came out of it as old as they were: their row was newer than the reading."""
        return self._stuck + sum(page.ties for page in self._under_way.values() if page.last == self.since)


async def go(ports: ChainPorts, asset: AssetConfig, lap: Lap, most: int, on_page: Callable[[Lap], object] = lambda lap: None) -> None:
    """Read up to `most` rows on from where the lap stands; returns when all of them are done."""
    ended, left = Bell(), most
    async with trio.open_nursery() as nursery:
        while left > 0:
            while lap.pages >= ports.config.calls_in_flight + AHEAD:
                await ended.wait()
            with effort():
                # Not less than a call begins with: a page that is too large for one is parted on the way.
                limit = min(left, max(FIRST, ports.size_for(ports.pool.preferred()).current))
                page = await ports.sweep_store.patiently(pages.oldest_page, asset, limit, lap.since, lap.passing, lap.before)
            if page is None:
                break
            left -= page.count
            errand = ports.book.register_page(ports.config.name, asset.name, page.wallets, page.count)
            lap.took(errand.id, page)
            nursery.start_soon(partial(_see_through, ports, errand, lap, ended, on_page))


async def _see_through(ports: ChainPorts, errand: Errand, lap: Lap, ended: Bell, on_page: Callable[[Lap], object]) -> None:
    await ports.see_through(errand, live=False)
    lap.ended(errand)
    ports.asset_views[errand.asset].swept += errand.requested
    on_page(lap)
    ended.ring()
