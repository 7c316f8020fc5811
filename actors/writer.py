"""The writer: turns outcomes into rows, and moves the checkpoint in the same transaction.

Takes: outcomes; the live lane over one connection, the sweep lane over another, so that a sweep's write never holds up an event's; and
a sweep's pages (`page_writer.py`), over two connections.
On crash or kill: what was taken is held by its lane and written again, which changes nothing that was written. While Postgres is away it
waits, and the mailboxes fill up behind it. On drain: it ends when both lanes are closed and empty, and frees the ledger rows that are held.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import psycopg
import trio

from actors.batch import key_of, merge
from actors.config import AssetConfig
from actors.errand import ErrandBook, Key
from actors.ledger_writer import LedgerWriter, of_ledger
from actors.log import get_logger
from actors.mailbox import Lane, Mailbox
from actors.messages import (
    Covered,
    Failed,
    Move,
    Outcome,
    PageReading,
    Raised,
    Reading,
    Release,
    Settle,
    Touch,
    WriteBatch,
    WriteResult,
)
from actors.metrics import Metrics
from actors.page_writer import PageWriter
from actors.ports import ChainPorts, Store, clock
from actors.progress import effort
from actors.store.write import write
from actors.unwritable import ONE_ROWS_FAULT, unwritable

MESSAGES_AT_ONCE = 25
log = get_logger("writer")


class Writer:
    """One incarnation. See the module."""

    def __init__(
        self,
        readings: Mailbox[tuple[Outcome, ...]],
        pages: Sequence[tuple[Lane[PageReading], Store]],
        stores: Mapping[bool, Store],
        chains: Mapping[str, ChainPorts],
        book: ErrandBook,
        metrics: Metrics,
    ) -> None:
        self._readings, self._stores, self._book, self._chains = readings, stores, book, chains
        self._moving: set[int] = set()
        self._chain_of = {asset: ports for ports in chains.values() for asset in ports.assets}
        self._assets: dict[str, AssetConfig] = {n: a for ports in chains.values() for n, a in ports.assets.items()}
        self._ledger = LedgerWriter(book, metrics)
        self._timers = {True: metrics.write_seconds.labels("live"), False: metrics.write_seconds.labels("sweep")}
        self._page_writers = [PageWriter(lane, store, self._chain_of, self._book, self._commit) for lane, store in pages]

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Until both lanes are closed and empty."""
        async with trio.open_nursery() as nursery:
            for live in (True, False):
                nursery.start_soon(self._write_lane, self._readings.lane(live), self._stores[live])
            for writer in self._page_writers:
                nursery.start_soon(writer.run)
            task_status.started()
        await self._ledger.free_all(self._stores[False])

    async def _write_lane(self, lane: Lane[tuple[Outcome, ...]], store: Store) -> None:
        with lane.outlet() as outlet:
            while True:
                try:
                    taken = await lane.take(outlet, MESSAGES_AT_ONCE)
                except trio.EndOfChannel:
                    return
                with effort():
                    await self._commit(store, [outcome for message in taken for outcome in message])
                lane.finished()

    async def _commit(self, store: Store, outcomes: Sequence[Outcome]) -> None:
        """Write the outcomes, and end the errands that end by them."""
        if ledger := [outcome for outcome in outcomes if of_ledger(outcome)]:
            await self._ledger.commit(store, ledger)
            outcomes = [outcome for outcome in outcomes if not of_ledger(outcome)]
        try:
            await self._transact(store, outcomes)
        except ONE_ROWS_FAULT as error:
            await self._isolate(store, outcomes, error)
        # Two lanes may each have finished a part of one closing, neither of them the last: its move is then still to be made.
        while moves := self._free(self._book.endable({})):
            self._settle(await self._run(store, WriteBatch(moves=moves)), [])

    def _free(self, moves: Iterable[Move]) -> tuple[Move, ...]:
        """The moves that the other lane is not just making: to wait for it would hold up this one."""
        return tuple(move for move in moves if move.errand not in self._moving)

    async def _transact(self, store: Store, outcomes: Sequence[Outcome]) -> None:
        for part in one_branch_each(outcomes):
            batch = batch_of(part, self._book)
            batch = replace(batch, moves=self._free(batch.moves))
            if batch != WriteBatch():
                result = await self._run(store, batch)
                self._settle(result, [o.touch for o in part if not isinstance(o, Settle | Release)])

    async def _run(self, store: Store, batch: WriteBatch) -> WriteResult:
        own = {move.errand for move in batch.moves}
        self._moving |= own
        try:
            with self._timers[store is self._stores[True]].time():
                return await store.patiently(write, replace(batch, clock=clock()), self._assets)
        finally:
            self._moving -= own

    async def _isolate(self, store: Store, outcomes: Sequence[Outcome], error: psycopg.Error) -> None:
        """A value that one row's column cannot hold is that row's error: halve until it is alone, then set it aside."""
        if len(outcomes) > 1:
            middle = len(outcomes) // 2
            for half in (outcomes[:middle], outcomes[middle:]):
                await self._commit(store, half)
            return
        only = outcomes[0]
        if isinstance(only, Failed) and only.touch.repair is not None:
            # The row takes nothing at all: its orphaned value stays, and it is set aside as any other.
            await self._commit(store, [replace(only, touch=replace(only.touch, repair=None))])
            return
        if not isinstance(only, Reading | Covered):
            raise error
        await self._commit(store, [unwritable(only.touch, only.branch, error)])

    def _settle(self, result: WriteResult, touches: Sequence[Touch]) -> None:
        """After the commit, without an await: what was refused goes back to the batcher, the rest is finished."""
        for name, branch in result.branches.items():
            self._chains[name].catch_up(branch)
        refused = {(key_of(touch), number) for touch in result.refused for number in touch.errands}
        for touch in result.refused:
            ports = self._chain_of[touch.asset]
            ports.fall_back(touch.asset, result.closed.get(touch.asset))
            ports.hand.put(self._again(touch))
            ports.hand_bell.ring()
        for touch in touches:
            key = key_of(touch)
            for number in touch.errands:
                if (key, number) not in refused:
                    self._book.finish(number, key, key in result.updated)
        for number in result.moved:
            self._book.end(number)
        for number in result.dropped:
            log.warning("checkpoint was moved by someone else or by a reorg: closing is dropped")
            self._book.drop(number)
        for asset, count in Counter(asset for asset, _ in result.updated).items():
            self._chain_of[asset].metrics.rows_written.labels(asset).inc(count)
        # Last: a measurement that fails must not keep a closing open whose rows and checkpoint are written.
        hinted = Counter((t.asset, t.need) for t in touches if not t.errands and t.live and t.need and key_of(t) in result.updated)
        for (asset, block), wallets in hinted.items():
            self._chain_of[asset].reached_rows(asset, {block: wallets})

    def _again(self, touch: Touch) -> Touch:
        """A refused touch as it is read again. The event of one that nobody waits for may be orphaned: a closing finds it, or not."""
        if self._book.is_any_open(touch.errands):
            return replace(touch, block_hash=None)
        return replace(touch, block_hash=None, need=0, event_block=None)


def one_branch_each(outcomes: Sequence[Outcome]) -> list[Sequence[Outcome]]:
    """The outcomes in parts, the newer branch first: in one part a row's readings are all of one branch.

    Of two readings of different branches neither serves the other's touch: the older one is refused, and its wallet read again.
    """
    readings = [outcome for outcome in outcomes if isinstance(outcome, Reading)]
    if len({reading.branch for reading in readings}) <= 1:
        return [outcomes]
    branches: dict[Key, set[int]] = {}
    for reading in readings:
        branches.setdefault(key_of(reading.touch), set()).add(reading.branch)
    newest = {key: max(found) for key, found in branches.items()}
    old = [reading for reading in readings if reading.branch < newest[key_of(reading.touch)]]
    dated = set(map(id, old))
    return [part for part in ([o for o in outcomes if id(o) not in dated], old) if part]


def batch_of(outcomes: Sequence[Outcome], book: ErrandBook) -> WriteBatch:
    """One transaction's worth: each row once, and the moves of the closings that these outcomes end."""
    readings: dict[Key, Reading] = {}
    finishing: defaultdict[int, set[Key]] = defaultdict(set)
    for outcome in outcomes:
        if isinstance(outcome, (Settle, Release)):
            continue
        touch, key = outcome.touch, key_of(outcome.touch)
        for number in touch.errands:
            finishing[number].add(key)
        if isinstance(outcome, Reading):
            meant = _still_meant(touch, outcome.branch, book)
            reading = outcome if meant is touch else replace(outcome, touch=meant)
            readings[key] = _newer(readings[key], reading) if key in readings else reading
    return WriteBatch(
        readings=tuple(readings.values()),
        covered=tuple(o for o in outcomes if isinstance(o, Covered)),
        failed=tuple(
            replace(o, touch=_still_meant(o.touch, o.branch, book)) for o in outcomes if isinstance(o, Failed)
        ),
        raised=tuple(o for o in outcomes if isinstance(o, Raised)),
        moves=tuple(book.endable(finishing)),
    )


def _still_meant(touch: Touch, branch: int, book: ErrandBook) -> Touch:
    """A copy that comes after its errand has ended or was dropped writes nothing but the value.

    A repair's would lower what a later closing has written, also after another reorg; a dropped closing's event may be orphaned.
    """
    if touch.errands and not book.is_any_open(touch.errands):
        return replace(touch, repair=None, event_block=None)
    if touch.repair is not None and touch.repair.branch != branch:
        return replace(touch, repair=None)
    return touch


def _newer(old: Reading, new: Reading) -> Reading:
    """Of two readings of one wallet on one branch the newer one, serving the touches of both."""
    kept, other = (new, old) if new.block >= old.block else (old, new)
    return replace(kept, touch=merge(other.touch, kept.touch))
