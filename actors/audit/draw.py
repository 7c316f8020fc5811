"""Draws random rows of an asset's table: see `sample` for how, and why so."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import trio

from actors.audit.sample import places
from actors.audit.verdict import Selected
from actors.config import AssetConfig
from actors.ports import Store
from actors.store import audit

STATEMENT_MS = 2000  # for a table that is read whole
REST = 200.0  # times as long as that took: as for the rows' ages, one two hundredth of the time
LONGEST_REST_SECS = 600.0


async def draw(store: Store, asset: AssetConfig, places_wanted: int, rows: int, rng: Random) -> Selected:
    """The rows at so many random places; of a table without places of its own, about so many `rows`."""
    pages, page_bytes = await store.patiently(audit.extent, asset)
    if not pages:
        return await store.patiently(audit.bernoulli, asset, rows)
    return await store.patiently(audit.at_places, asset, places(pages, page_bytes, places_wanted, rng))


@dataclass
class Drawing:
    """How the audit of one asset draws while the service has more to do: a table without places of its own is read whole for a draw, so it
    is given little time, and rests. It outlives the actor.

    `too_slow`: what is shown where Postgres takes longer over the table than that.
    """

    due: float = float("-inf")
    too_slow: str | None = None

    async def draw(self, store: Store, asset: AssetConfig, places_wanted: int, rows: int, rng: Random) -> Selected | None:
        """As `draw`; None where the table rests, or takes too long."""
        if trio.current_time() < self.due:
            return None
        pages, page_bytes = await store.patiently(audit.extent, asset)
        if pages:
            self.too_slow = None
            return await store.patiently(audit.at_places, asset, places(pages, page_bytes, places_wanted, rng))
        began = trio.current_time()
        found = await store.patiently(audit.bernoulli_within, asset, rows, STATEMENT_MS)
        ended = trio.current_time()
        self.due = ended + min(LONGEST_REST_SECS, REST * (ended - began))
        slow = f"no row can be drawn: the table is read whole for that, and Postgres takes longer over it than {STATEMENT_MS / 1000:.0f} s"
        self.too_slow = slow if found is None else None
        return found
