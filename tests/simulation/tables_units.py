"""The double's units of work, but for the writer's: each does to the contents what its namesake in `actors/store` does to Postgres."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from actors.age.ages import Ages, bucket_of
from actors.budget.month import MonthSpent, month_of
from actors.budget.spender import PATIENT
from actors.budget.tally import Key, Spent
from actors.config import AssetConfig
from actors.messages import Marks
from actors.store import holders as real_holders
from actors.store.chain import BACKFILL, KEPT_CLOSINGS
from actors.store.holders import RowState, is_query, tick_size
from actors.store.set_aside import Due, as_shown
from tests.simulation.tables_contents import PLACEHOLDER, Block, Contents, Lease, Row, Seen, Spend

ZERO = bytes(20)


# A chain and its blocks.


def branch(c: Contents, chain: str) -> int:
    """As `chain.branch`."""
    if chain not in c.chains:
        c.chains[chain] = 0
    return c.chains[chain]


def remembered(c: Contents, chain: str, above: int) -> list[Block]:
    """As `chain.remembered`."""
    blocks = c.blocks(chain)
    first = max((number for number, _ in blocks if number <= above), default=above + 1)
    return sorted(block for block in blocks if block[0] >= first)


def asked_since(c: Contents, chain: str, ends: Iterable[Block]) -> int | None:
    """As `chain.asked_since`."""
    found = (c.blocks(chain).get(block) for block in ends)
    return min((seen.since for seen in found if seen is not None and seen.since is not None), default=None)


def remember(c: Contents, chain: str, blocks: Iterable[Block], since: int | None = None) -> None:
    """As `chain.remember`."""
    for block in blocks:
        before = c.blocks(chain).get(block)
        known = [one for one in (since, before and before.since) if one is not None]
        c.blocks(chain)[block] = Seen(c.chains.get(chain, 0), min(known, default=None))


def forget(c: Contents, chain: str, blocks: Iterable[Block], of_branch: int) -> None:
    """As `chain.forget`: a block that was seen on this very branch stays."""
    if branch(c, chain) == of_branch:
        for block in set(blocks) & set(c.blocks(chain)):
            if c.blocks(chain)[block].branch < of_branch:
                del c.blocks(chain)[block]


def prune(c: Contents, chain: str, keep_above: int, keep: int = KEPT_CLOSINGS) -> None:
    """As `chain.prune`."""
    blocks = c.blocks(chain)
    numbers = sorted({number for number, _ in blocks if number <= keep_above}, reverse=True)
    if len(numbers) > keep:
        for block in [block for block in blocks if block[0] <= numbers[keep]]:
            del blocks[block]


def reorg(c: Contents, chain: str, checkpoint_names: Sequence[str], fork: int, of_branch: int, tables: Sequence[str] = ()) -> tuple[int, bool]:
    """As `chain.reorg`."""
    if branch(c, chain) != of_branch:
        return c.chains[chain], False
    c.chains[chain] = of_branch + 1
    backfills = tuple(name + BACKFILL for name in checkpoint_names)
    for name in list(c.checkpoints):
        if (marks := c.checkpoints.get(name)) and (name in checkpoint_names or name.startswith(backfills)):
            confirmed = None if marks.confirmed is None else min(marks.confirmed, fork)
            c.checkpoints[name] = Marks(min(marks.last_block, fork), confirmed)
    for key, aside in list(c.aside.items()):
        if key[0] in tables and aside.block is not None and aside.block > fork:
            c.aside[key] = aside._replace(block=fork)
    return of_branch + 1, True


# Checkpoints.


def load(c: Contents, name: str) -> Marks | None:
    """As `checkpoint.load`."""
    return c.checkpoints.get(name)


def opening(c: Contents, chain: str, name: str) -> tuple[Marks, list[Block]] | None:
    """As `checkpoint.opening`."""
    marks = load(c, name)
    if marks is None:
        return None
    return marks, remembered(c, chain, marks.last_block - 1 if marks.confirmed is None else marks.confirmed)


def load_many(c: Contents, names: Sequence[str]) -> dict[str, Marks]:
    """As `checkpoint.load_many`."""
    return {name: marks for name in names if (marks := c.checkpoints.get(name))}


def create(c: Contents, chain: str, name: str, number: int, block_hash: bytes | None) -> None:
    """As `checkpoint.create`."""
    if c.checkpoints.get(name) is None:
        c.checkpoints[name] = Marks(number, number)
        if block_hash is not None:
            remember(c, chain, [(number, block_hash)])


# An asset's rows.


def look_up(c: Contents, asset: AssetConfig, wallets: Sequence[bytes]) -> dict[bytes, RowState]:
    """As `holders.look_up`."""
    rows = c.rows(asset.table)
    states = {wallet: _state(c, asset, wallet, rows.get(wallet)) for wallet in wallets}
    return {wallet: state for wallet, state in states.items() if state.tracked or wallet in rows}


def _state(c: Contents, asset: AssetConfig, wallet: bytes, row: Row | None) -> RowState:
    tracked = asset.track == "discover" or (asset.track == "table" and row is not None)
    if is_query(asset.track):
        tracked = wallet in c.selected.get(asset.name, ())
    aside = (asset.table, wallet) in c.aside
    if row is None:
        return RowState(wallet, None, None, PLACEHOLDER, tracked, aside)
    return RowState(wallet, row.read_block, row.blocknumber, row.updated_at, tracked, aside)


def by_age(c: Contents, asset: AssetConfig) -> list[tuple[datetime, bytes]]:
    """The rows that a sweep takes, oldest first."""
    rows = c.rows(asset.table).items()
    return sorted((row.updated_at, wallet) for wallet, row in rows if wallet != ZERO and (asset.table, wallet) not in c.aside)


def prepare_tick(c: Contents, asset: AssetConfig, interval_secs: float, batch_size: int) -> int:
    """As `holders.prepare_tick`."""
    insert_placeholders(c, asset)
    return tick_size(count(c, asset), interval_secs, asset.target_age_secs, batch_size)


def insert_placeholders(c: Contents, asset: AssetConfig) -> int:
    """As `holders.insert_placeholders`."""
    if not is_query(asset.track):
        return 0
    rows = c.rows(asset.table)
    new = sorted(c.selected.get(asset.name, set()) - rows.keys() - {ZERO})[: real_holders.PLACEHOLDERS_AT_ONCE]
    for wallet in new:
        rows[wallet] = Row(0, None, None, PLACEHOLDER)
    return len(new)


def above(c: Contents, asset: AssetConfig, fork: int, after: str, limit: int) -> list[RowState]:
    """As `holders.above`: every row counts as tracked."""
    rows = c.rows(asset.table)
    newer = [w for w, row in rows.items() if row.read_block is not None and row.read_block > fork]
    found = [w for w in newer if "0x" + w.hex() > after and w != ZERO]
    return [
        RowState(w, rows[w].read_block, rows[w].blocknumber, rows[w].updated_at, True, (asset.table, w) in c.aside)
        for w in sorted(found)[:limit]
    ]


def count(c: Contents, asset: AssetConfig) -> int:
    """As `holders.count` of a small table."""
    return len(c.rows(asset.table))


def measure_ages(c: Contents, asset: AssetConfig) -> Ages:
    """As `ages.measure` of a small table."""
    ages = [max(0.0, (c.now() - at).total_seconds()) for at, _ in by_age(c, asset) if at > PLACEHOLDER]
    placeholders = sum(at <= PLACEHOLDER for at, _ in by_age(c, asset))
    return Ages(tuple(sorted(Counter(map(bucket_of, ages)).items())), len(ages), placeholders, max(ages, default=None))


# Wallets that are set aside, roles, and what calls have cost.


def due(c: Contents, tables: Sequence[str], limit: int) -> list[Due]:
    """As `set_aside.due`."""
    now = c.now()
    found = sorted((a.next_attempt, key, a) for key, a in c.aside.items() if key[0] in tables and a.next_attempt <= now)
    return [Due(*key, aside.block) for _, key, aside in found[:limit]]


def count_aside(c: Contents, tables: Sequence[str]) -> int:
    """As `set_aside.count`."""
    return sum(table in tables for table, _ in c.aside)


def shown_aside(c: Contents, table: str, limit: int) -> list[dict[str, Any]]:
    """As `set_aside.shown`."""
    found = sorted((wallet, a) for (of, wallet), a in c.aside.items() if of == table)[:limit]
    return [as_shown("0x" + wallet.hex(), a.error, a.attempts, a.next_attempt) for wallet, a in found]


def hold(c: Contents, role: str, holder: str, secs: float) -> bool:
    """As `leases.hold`."""
    lease, now = c.leases.get(role), c.now()
    if lease is not None and lease.holder != holder and lease.until >= now:
        return False
    c.leases[role] = Lease(holder, now + timedelta(seconds=secs))
    return True


def free(c: Contents, holder: str) -> None:
    """As `leases.free`."""
    for role in [role for role, lease in c.leases.items() if lease.holder == holder]:
        del c.leases[role]


def book(c: Contents, chain: str, spent: Mapping[Key, Spent], starts_on: int) -> MonthSpent:
    """As `spend.book`."""
    now = c.now()
    for (actor, method), more in spent.items():
        calls, units = c.spend.get((chain, now.date(), actor, method), Spend(0, 0))
        c.spend[chain, now.date(), actor, method] = Spend(calls + more.calls, units + more.units)
    begins, ends = month_of(now, starts_on)
    month = {key: row for key, row in c.spend.items() if key[0] == chain and key[1] >= begins.date()}
    live = sum(row.units for key, row in month.items() if key[2] not in PATIENT)
    since = min((datetime.combine(key[1], datetime.min.time()) for key in month), default=now)
    return MonthSpent(sum(row.units for row in month.values()), live, (now - since).total_seconds(), (ends - now).total_seconds())


def by_day(c: Contents, chain: str, days: int) -> list[dict[str, Any]]:
    """As `spend.by_day`."""
    since = c.now().date() - timedelta(days=days)
    mine = [(key[1], row) for key, row in c.spend.items() if key[0] == chain and key[1] > since]
    of_day = {day: [row for at, row in mine if at == day] for day in sorted({at for at, _ in mine})}
    return [{"day": d.isoformat(), "calls": sum(r.calls for r in of), "units": sum(r.units for r in of)} for d, of in of_day.items()]
