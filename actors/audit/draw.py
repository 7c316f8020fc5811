"""Draws random rows of an asset's table: see `sample` for how, and why so."""

from __future__ import annotations

from random import Random

from actors.audit.sample import places
from actors.audit.verdict import Selected
from actors.config import AssetConfig
from actors.ports import Store
from actors.store import audit


async def draw(store: Store, asset: AssetConfig, places_wanted: int, rows: int, rng: Random) -> Selected:
    """The rows at so many random places; of a table without places of its own, about so many `rows`."""
    pages, page_bytes = await store.patiently(audit.extent, asset)
    if not pages:
        return await store.patiently(audit.bernoulli, asset, rows)
    return await store.patiently(audit.at_places, asset, places(pages, page_bytes, places_wanted, rng))
