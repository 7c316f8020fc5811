"""One closing of one asset: asks a range of blocks for its logs, registers what they touched as one errand, and sees it through.

A closing by timer is a *whole* one: it asks for everything above `confirmed`, of the next healthy endpoint in turn, so that each block is
asked for twice. A closing by a pushed head asks for what is new, by the block's hash where that is one block. The checkpoint's step
is in the errand: the writer takes it in the transaction that ends it, or drops the closing where somebody else moved first.

While heads are pushed, a second asking goes in small parts, so that a head never waits for more than one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import trio

from actors.config import AssetConfig
from actors.errand import Errand
from actors.errors import NodeBehind, NodeError, Transient
from actors.evm.block import Header
from actors.evm.endpoint import Endpoint
from actors.evm.ranges import Ranges
from actors.gather import Gatherer, Part, Span
from actors.lineage import Lineage
from actors.log import get_logger
from actors.messages import Marks, Move, Touch
from actors.ports import ChainPorts
from actors.pushes import PushWatch
from actors.reorg import Reorgs
from actors.second_asking import SecondAsking, withheld
from actors.store import checkpoint, holders
from actors.store.chain import Block
from actors.store.holders import RowState
from actors.touched import items_of

FEW_BEHIND = 4  # blocks: while heads are pushed, who is no further behind them confirms what it has
log = get_logger("closing")


@dataclass(frozen=True)
class Closed:
    """What a closing came to. `more`: the range was longer than one closing, or the closing was dropped: go on at once. `parted`: what it
    asked for a second time is not all of it; a head that waits goes first.
    """

    more: bool
    parted: bool = False


class Closer:
    """Closes one asset's ranges, one after the other."""

    def __init__(self, ports: ChainPorts, asset: AssetConfig, reorgs: Reorgs, watch: PushWatch) -> None:
        self._ports, self._asset, self._reorgs, self._watch = ports, asset, reorgs, watch
        self._gatherer = Gatherer(ports, asset)
        self._answered_by: Endpoint | None = None
        self._lineage = Lineage()
        self._early: tuple[Header, Span] | None = None
        self._lies = False
        self._second = SecondAsking()
        self._reads_most = False  # of the wallets that the last head's logs touched
        self.marks: Marks | None = None

    @property
    def head_waits(self) -> bool:
        """Whether a newer head than the last closed block is known."""
        head = self._ports.view.head
        return head is not None and self.marks is not None and head.number > self.marks.last_block

    def socket_lies(self) -> bool:
        """Whether logs of the last closing but one are still unpushed; asked once."""
        lies, self._lies = self._lies, False
        return lies

    async def close(self, whole: bool) -> Closed:
        """One closing. Raises NodeError, with the `endpoint` that is at fault where one is."""
        ports = self._ports
        # Before the marks are read: a reorg by another copy in between must drop this closing.
        branch = ports.view.branch
        endpoint = await self._asked_now(whole)
        async with trio.open_nursery() as nursery:
            self._early = None
            if not whole and ports.view.head is not None:
                nursery.start_soon(self._gather_early, endpoint, ports.view.head)
            opening = await ports.store.patiently(checkpoint.opening, ports.config.name, self._asset.checkpoint)
        if opening is None:
            raise Transient(f"checkpoint {self._asset.checkpoint} is gone")
        self.marks, blocks = opening
        try:
            closed = await self._close(endpoint, self.marks, blocks, branch, whole)
        except NodeError as error:
            if whole and not isinstance(error, NodeBehind):
                ports.turns[self._asset.name] = endpoint.index  # not all faults have it left
            error.endpoint = endpoint  # type: ignore[attr-defined]  # the catcher holds it against who was asked
            raise
        ports.pool.ok(endpoint)
        if whole and not closed.parted:
            # Until now the heads in between stayed with who was asked for them, or it would confirm its own answers.
            ports.turns[self._asset.name] = endpoint.index
            self._second.ended()
        return closed

    async def _gather_early(self, endpoint: Endpoint, head: Header) -> None:
        """Ask for a new head's logs while Postgres says whether nothing but that block is to be closed, as nearly always."""
        try:
            self._early = head, await self._gatherer.block(endpoint, head, self._watch.since)
        except NodeError:
            pass  # it is asked again in its turn, and judged by that

    async def _asked_now(self, whole: bool) -> Endpoint:
        """Each whole closing asks the next endpoint in turn, and those by heads stay with it until then: so two are asked for each block."""
        turns, name = self._ports.turns, self._asset.name
        if not whole:
            return await self._ports.pool.stay(turns.get(name, 0))
        return await self._ports.pool.turn(turns.get(name, -1))

    async def _close(self, endpoint: Endpoint, marks: Marks, blocks: Sequence[Block], branch: int, whole: bool) -> Closed:
        target = await self._target(endpoint, whole)
        behind = marks.last_block - target.number
        if behind > (FEW_BEHIND if whole and self._pushed else 0):
            # A head below the checkpoint proves nothing: that node is behind.
            raise NodeBehind(f"head {target.number} is below the checkpoint {marks.last_block}")
        if behind > 0 and target.number < marks.first_unconfirmed:
            return Closed(more=False, parted=True)
        if self._ports.view.head is None or (whole and target.number >= marks.last_block):
            self._ports.saw_head(target)
        vouched = self._lineage.up_to(target)
        if await self._reorgs.look([one for one in blocks if vouched.get(one[0]) != one[1]], branch, endpoint, target):
            self._lineage.broken()
            return Closed(more=True)
        first = marks.first_unconfirmed if whole else marks.last_block + 1
        if first > target.number:
            self._is_closed(target)
            return Closed(more=False)
        if not whole and first < target.number:
            await self._check_has(endpoint, target)
        return await self._ask(endpoint, first, target, marks, branch, whole)

    async def _ask(self, endpoint: Endpoint, first: int, target: Header, marks: Marks, branch: int, whole: bool) -> Closed:
        """Ask for the logs from `first` on, and see through what comes of them."""
        span = await self.gather(endpoint, first, target, self._part(marks, first, whole))
        more, parted = span.last < target.number, span.last < marks.last_block
        if more:
            target = await self._end_of(endpoint, span)
        if span.events:
            self._ports.asset_views[self._asset.name].last_event_at = datetime.now(UTC)
            await self._ports.learn_when(endpoint, span.first)
        with self._ports.reading_ahead(self._asset.name, target, branch, () if whole or not self._reads_most else span.events):
            errand = await self._register(endpoint, span, marks, target, branch, whole)
            if errand is None:
                return Closed(more=True)
            await self.see_through(errand)
        if not errand.dropped:
            self._note(target, span, errand)
        return Closed(more or errand.dropped, parted)

    def _part(self, marks: Marks, first: int, whole: bool) -> Part:
        """How much is asked for before a head that may have come is seen to."""
        return self._second.part(marks.last_block - first) if self._pushed and whole and first <= marks.last_block else Part()

    @property
    def _pushed(self) -> bool:
        return self._ports.config.follow == "heads" and self._ports.view.connected

    async def _end_of(self, endpoint: Endpoint, span: Span) -> Header:
        """The last block of a part of a range."""
        end = await endpoint.header(span.last)
        if end is None:
            raise NodeBehind(f"has no block {span.last}")
        return end

    def _is_closed(self, target: Header) -> None:
        self._ports.view.closed = target
        self._ports.asset_views[self._asset.name].checkpoint_time = target.timestamp

    def _note(self, target: Header, span: Span, errand: Errand) -> None:
        if errand.move is not None:
            self.marks = errand.move.target
        if self.marks is None or self.marks.last_block == target.number:  # a part of a second asking ends below what is closed
            self._is_closed(target)
        self._ports.metrics.closings.labels(self._asset.name).inc()
        self._lies = self._watch.closed(self._asset.name, span.ids)

    async def _target(self, endpoint: Endpoint, whole: bool) -> Header:
        """The block to close up to: the pushed head, or the head of the endpoint that is asked."""
        ports = self._ports
        if not whole and ports.view.head is not None:
            return ports.view.head
        head = await endpoint.header("latest")
        if head is None:
            raise NodeBehind("has no head")
        return head

    async def _check_has(self, endpoint: Endpoint, target: Header) -> None:
        """Some nodes answer `[]` for blocks that they do not have: one is asked only if it has the target.

        Asked afterwards, a node that has caught up in between would vouch for an answer that it gave too early.
        """
        there = await endpoint.header(target.number)
        if there is None or there.hash != target.hash:
            raise NodeBehind(f"has no block {target.number} of that hash")

    async def gather(self, endpoint: Endpoint, first: int, target: Header, part: Part | None = None) -> Span:
        """The logs of a range, up to as many wallets as one closing holds; of one block by its hash."""
        if first == target.number:
            if self._early is not None and self._early[0] == target:
                return self._early[1]
            return await self._gatherer.block(endpoint, target, self._watch.since)
        ranges = Ranges[Span](first, target.number, self._gatherer.size)
        return await self._gatherer.span(endpoint, ranges, target, self._watch.since, part)

    async def _register(self, endpoint: Endpoint, span: Span, marks: Marks, target: Header, branch: int, whole: bool) -> Errand | None:
        """The closing's errand; None where a reorg came in between, whose other branch may not have these logs."""
        rows = await self._ports.store.patiently(holders.look_up, self._asset, list(span.events))
        if self._ports.view.branch != branch:
            return None
        self._judge(span, rows, marks, endpoint, whole)
        items = items_of(self._asset.name, span.events, rows, branch)
        step = marks.closed_up_to(target.number, whole)
        self._ports.asset_views[self._asset.name].events += sum(block > marks.last_block for block in span.events.values())
        end = target.hash if step.last_block == target.number else None  # a part of a second asking ends below the checkpoint
        move = Move(0, self._ports.config.name, self._asset.checkpoint, branch, marks, step, end)
        self._ports.metrics.touches.labels(self._asset.name, "live").inc(len(items))
        errand = self._ports.book.register("closing", self._ports.config.name, self._asset.name, items, move)
        errand.events = Counter(item.need for item in items if isinstance(item, Touch))
        if not whole and span.events:
            self._reads_most = 2 * errand.events.total() >= len(span.events)
        return errand

    def _judge(self, span: Span, rows: Mapping[bytes, RowState], marks: Marks, endpoint: Endpoint, whole: bool) -> None:
        """Logs of the second asking whose rows know nothing of them were withheld the first time."""
        first_by = self._answered_by
        if span.last >= marks.last_block:  # by a part of a second asking nobody was asked first
            self._answered_by = endpoint
        if not whole or marks.confirmed is None:
            return
        if wallets := withheld(span.events, rows, marks):
            self._ports.metrics.logs_withheld.labels(self._ports.config.name).inc(wallets)
            log.warning("logs were withheld the first time", asset=self._asset.name, wallets=wallets)
            if first_by is not None and first_by is not endpoint:
                self._ports.pool.failed(first_by, Transient("withheld logs"))

    async def see_through(self, errand: Errand) -> None:
        """Send what is unfinished of a closing, and wait until it has ended."""
        await self._ports.see_through(errand, live=True)
        if not errand.dropped:
            self._ports.reached_rows(self._asset.name, errand.events)
