"""The double's version of a sweep's pages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from actors.config import AssetConfig
from actors.messages import PageReading, PageResult, Reading, Touch, WriteBatch, WriteResult
from actors.store.moving import Clock
from actors.store.pages import Selected
from tests.simulation.tables_contents import Contents
from tests.simulation.tables_units import branch, by_age
from tests.simulation.tables_write import write


def oldest_page(
    c: Contents, asset: AssetConfig, limit: int, since: datetime | None, passing: int, before: datetime | None
) -> Selected | None:
    """As `pages.oldest_page`; among rows of one age the lowest wallets come first, where Postgres may take any."""
    rows = [(time, wallet) for time, wallet in by_age(c, asset) if (since is None or time >= since) and (before is None or time < before)]
    found = rows[passing : passing + limit]
    if not found:
        return None
    last = max(time for time, _ in found)
    wallets = ",".join(sorted("0x" + wallet.hex() for _, wallet in found))
    return Selected(wallets, len(found), last, sum(time == last for time, _ in found))


def batch_of(reading: PageReading, clock: Clock) -> WriteBatch:
    """A page's reading as so many readings of one wallet."""
    pairs = zip(reading.wallets.split(","), reading.balances.split(","), strict=True)
    touches = [(Touch(reading.page.asset, bytes.fromhex(wallet[2:]), live=False), int(balance, 16)) for wallet, balance in pairs]
    at = reading.block, reading.block_hash, reading.branch, reading.read_at
    return WriteBatch(tuple(Reading(touch, balance, *at) for touch, balance in touches), clock=clock)


def write_page(c: Contents, reading: PageReading, assets: Mapping[str, AssetConfig], clock: Clock) -> PageResult:
    """As `pages.write_page`. A set-aside wallet stays so until its own next attempt."""
    asset = assets[reading.page.asset]
    result: WriteResult = write(c, batch_of(reading, clock), assets, frees=False)
    closed = result.closed.get(asset.name)
    return PageResult(None if result.refused else len(result.updated), branch(c, asset.chain), closed)
