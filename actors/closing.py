"""One closing of one asset: asks a range of blocks for its logs, registers what they touched as one errand, and sees it through.

A closing by timer is a *whole* one: it asks for everything above `confirmed`, of another endpoint than the first time (`askings.py`), so
that each block is asked for twice. A closing by a pushed head asks for what is new, by the block's hash where that is one block. The
checkpoint's step is in the errand: the writer takes it in the transaction that ends it, or drops the closing where somebody else moved first.

While heads are pushed, a second asking goes in small parts, so that a head never waits for more than one of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import trio

from actors.askings import Asking
from actors.config import AssetConfig
from actors.errand import Errand
from actors.errors import NodeBehind, NodeError, Transient
from actors.evm.block import Header
from actors.evm.endpoint import Endpoint
from actors.evm.headers import check_has, header_of
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
from actors.touched import items_of

FEW_BEHIND = 4  # blocks: while heads are pushed, who is no further behind them confirms what it has
WITHHELD = "withheld logs"
log = get_logger("closing")


@dataclass(frozen=True)
class Closed:
    """What a closing came to. `more`: the range was longer than one closing, or the closing was dropped: go on at once. `parted`: what it
    asked for a second time is not all of it; a head that waits goes first. `waits`: for an endpoint that confirms what is closed.
    """

    more: bool
    parted: bool = False
    waits: bool = False


class Closer:
    """Closes one asset's ranges, one after the other."""

    def __init__(self, ports: ChainPorts, asset: AssetConfig, reorgs: Reorgs, watch: PushWatch) -> None:
        self._ports, self._asset, self._reorgs, self._watch = ports, asset, reorgs, watch
        self._gatherer = Gatherer(ports, asset)
        self._askings = ports.askings[asset.name]
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
            self._askings.failed(endpoint, ports.pool.others(endpoint))
            error.endpoint = endpoint  # type: ignore[attr-defined]  # the catcher holds it against who was asked
            raise
        ports.pool.ok(endpoint)
        if not closed.parted:  # until then the parts stay with who confirms them
            self._askings.turn = endpoint.index
            self._askings.refused.clear()
        if whole and not closed.parted:
            self._second.ended()
        return closed

    async def _gather_early(self, endpoint: Endpoint, head: Header) -> None:
        """Ask for a new head's logs while Postgres says whether nothing but that block is to be closed, as nearly always."""
        try:
            self._early = head, await self._gatherer.block(endpoint, head, self._watch.since)
        except NodeError:
            pass  # it is asked again in its turn, and judged by that

    async def _asked_now(self, whole: bool) -> Endpoint:
        """Each whole closing asks another endpoint than was asked first, and those by heads stay with one until then."""
        askings, pool = self._askings, self._ports.pool
        if whole:
            return await pool.turn(askings.turn, *askings.unwanted(self.marks))
        return await pool.stay(max(0, askings.turn), askings.refused)

    async def _close(self, endpoint: Endpoint, marks: Marks, blocks: Sequence[Block], branch: int, whole: bool) -> Closed:
        pushed = None if whole else self._ports.view.head
        target = pushed or await header_of(endpoint, "latest")
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
        asking = self._asking(endpoint, marks, branch, whole)
        if asking.first > target.number:
            if behind <= 0:
                self._is_closed(target)
            return Closed(more=False, waits=asking.leaves_some(target))
        if not whole and asking.first < target.number:
            await check_has(endpoint, target)
        return await self._ask(asking, target)

    def _asking(self, endpoint: Endpoint, marks: Marks, branch: int, whole: bool) -> Asking:
        if not whole:
            return Asking(endpoint, marks, branch, marks.last_block + 1, None)
        if self._ports.pool.is_alone(endpoint):
            return Asking(endpoint, marks, branch, marks.first_unconfirmed, marks.last_block)
        return self._askings.second(endpoint, self._ports.pool.others(endpoint), marks, branch, trio.current_time())

    async def _ask(self, asking: Asking, target: Header) -> Closed:
        """Ask for the logs, and see through what comes of them."""
        endpoint, last_block = asking.endpoint, asking.marks.last_block
        span = await self.gather(endpoint, asking.first, target, self._part(asking))
        more, parted = span.last < target.number, span.last < last_block
        if more:
            target = await header_of(endpoint, span.last)
        if span.events:
            self._ports.asset_views[self._asset.name].last_event_at = datetime.now(UTC)
            await self._ports.learn_when(endpoint, span.first)
        foreseen = () if asking.whole or not self._reads_most else span.events
        with self._ports.reading_ahead(self._asset.name, target, asking.branch, foreseen):
            errand = await self._register(asking, span, target)
            if errand is None:
                return Closed(more=True)
            await self.see_through(errand)
        if errand.dropped:
            return Closed(True, parted)
        self._note(asking, target, span, errand)
        more = more or self._askings.leaves_to(asking, target, self._ports.pool.others(endpoint))
        return Closed(more, parted, waits=not more and asking.leaves_some(target))

    def _part(self, asking: Asking) -> Part:
        """How much is asked for before a head that may have come is seen to."""
        backlog = asking.marks.last_block - asking.first
        return self._second.part(backlog) if self._pushed and asking.whole and backlog >= 0 else Part()

    @property
    def _pushed(self) -> bool:
        return self._ports.config.follow == "heads" and self._ports.view.connected

    def _is_closed(self, target: Header) -> None:
        self._ports.view.closed = target
        self._ports.asset_views[self._asset.name].checkpoint_time = target.timestamp

    def _note(self, asking: Asking, target: Header, span: Span, errand: Errand) -> None:
        self._askings.ended(asking, span.last)
        if errand.move is not None:
            self.marks = errand.move.target
        if self.marks is None or self.marks.last_block == target.number:  # a part of a second asking ends below what is closed
            self._is_closed(target)
        self._ports.metrics.closings.labels(self._asset.name).inc()
        self._lies = self._watch.closed(self._asset.name, span.ids)

    async def gather(self, endpoint: Endpoint, first: int, target: Header, part: Part | None = None) -> Span:
        """The logs of a range, up to as many wallets as one closing holds; of one block by its hash."""
        if first == target.number:
            if self._early is not None and self._early[0] == target:
                return self._early[1]
            return await self._gatherer.block(endpoint, target, self._watch.since)
        ranges = Ranges[Span](first, target.number, self._gatherer.size)
        return await self._gatherer.span(endpoint, ranges, target, self._watch.since, part)

    async def _register(self, asking: Asking, span: Span, target: Header) -> Errand | None:
        """The closing's errand; None where a reorg came in between, whose other branch may not have these logs."""
        rows = await self._ports.store.patiently(holders.look_up, self._asset, list(span.events))
        if self._ports.view.branch != asking.branch:
            return None
        marks, step = asking.marks, asking.step(target)
        if asking.whole and marks.confirmed is not None:
            self._judge(asking, withheld(span.events, rows, marks))
        items = items_of(self._asset.name, span.events, rows, asking.branch)
        self._ports.asset_views[self._asset.name].events += sum(block > marks.last_block for block in span.events.values())
        end = target.hash if step.last_block == target.number else None  # a part of a second asking ends below the checkpoint
        move = Move(0, self._ports.config.name, self._asset.checkpoint, asking.branch, marks, step, end)
        self._ports.metrics.touches.labels(self._asset.name, "live").inc(len(items))
        errand = self._ports.book.register("closing", self._ports.config.name, self._asset.name, items, move)
        errand.events = Counter(item.need for item in items if isinstance(item, Touch))
        if not asking.whole and span.events:
            self._reads_most = 2 * errand.events.total() >= len(span.events)
        return errand

    def _judge(self, asking: Asking, blocks: Sequence[int]) -> None:
        """Logs of the second asking whose rows know nothing of them, one of these blocks a wallet, were withheld the first time."""
        if not blocks:
            return
        self._ports.metrics.logs_withheld.labels(self._ports.config.name).inc(len(blocks))
        log.warning("logs were withheld the first time", asset=self._asset.name, wallets=len(blocks))
        first_by = {self._askings.by(block) for block in set(blocks)} - {asking.endpoint.index}
        # The parts of one asking may all find it, and are no new fault each while it is left for that.
        left = [endpoint for endpoint in self._ports.pool.left() if endpoint.last_error == WITHHELD]
        for endpoint in self._ports.pool.endpoints:
            if endpoint.index in first_by and endpoint not in left:
                self._ports.pool.failed(endpoint, Transient(WITHHELD))

    async def see_through(self, errand: Errand) -> None:
        """Send what is unfinished of a closing, and wait until it has ended."""
        await self._ports.see_through(errand, live=True)
        if not errand.dropped:
            self._ports.reached_rows(self._asset.name, errand.events)
