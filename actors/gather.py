"""Gathering the logs of a range of blocks: several questions under way at once, their answers taken in the blocks' order.

What is gathered is a *span*: contiguous blocks, and each wallet's newest event in them. A span ends before the range does where it holds as
many wallets as one errand may, or has taken long: whoever gathers goes on from there, and answers that came ahead are kept for that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import trio

from actors.config import AssetConfig
from actors.errors import BadAnswer, DecodeError, NodeError, Throttled, TooLarge, Transient, WrongBlock
from actors.evm.block import Header
from actors.evm.columns import Asked, LogId, by_columns, shapes_of
from actors.evm.endpoint import Endpoint
from actors.evm.logs import LogEvent, decode_log, filter_for
from actors.evm.ranges import Range, Ranges, RangeSize
from actors.log import get_logger
from actors.mailbox import Bell
from actors.ports import ChainPorts

MOST_WALLETS = 50_000
UNDER_WAY = 4
AHEAD = 4  # answers that wait for one that is missing before them
LONGEST_SECS = 30.0  # of gathering, before what there is goes on to be read
log = get_logger("gather")


@dataclass(frozen=True)
class Part:
    """How much one span may be: it ends once it holds so many wallets. `under_way`: questions at once."""

    wallets: int = field(default_factory=lambda: MOST_WALLETS)
    under_way: int = UNDER_WAY


@dataclass
class Span:
    """What was found in blocks `first` to `last`: each wallet's newest event's block, and the ids of logs above `ids_above`; `logs` were
    answered."""

    first: int
    last: int
    ids_above: float
    logs: int = 0
    events: dict[bytes, int] = field(default_factory=dict)
    ids: set[LogId] = field(default_factory=set)

    def add(self, event: LogEvent) -> None:
        """Take in one log."""
        if event.block > self.ids_above:
            self.ids.add((event.block_hash, event.index, event.block))
        for wallet in event.wallets:
            self.events[wallet] = max(event.block, self.events.get(wallet, -1))

    def extend(self, page: Span) -> None:
        """Take in the blocks that follow upon these."""
        self.last, self.logs = page.last, self.logs + page.logs
        self.events.update(page.events)
        self.ids |= page.ids


class Gatherer:
    """Asks for one asset's logs. `on_blocks` hears up to where a span has come."""

    def __init__(self, ports: ChainPorts, asset: AssetConfig) -> None:
        self._ports, self._asset = ports, asset
        self._filter, self._shapes = filter_for(asset.triggers), shapes_of(asset.triggers)
        self._size = RangeSize(ports.config.max_log_blocks)
        self.on_blocks: Callable[[int], object] = lambda last: None

    @property
    def size(self) -> RangeSize:
        """How many blocks a question asks for. It outlives the ranges, since it is the provider's; its bound is the config's of now."""
        self._size.at_most(self._ports.config.max_log_blocks)
        return self._size

    async def block(self, endpoint: Endpoint, block: Header, ids_above: float) -> Span:
        """The logs of one block, asked for by its hash. Raises NodeError."""
        asked = Asked(block.number, block.number, block.number, block.hash, ids_above)
        page = await self._page(endpoint, {"blockHash": "0x" + block.hash.hex()}, asked)
        self.size.saw(1, page.logs)  # or the first range after many heads would be of a hundred such blocks
        return page

    async def range(self, endpoint: Endpoint, asked: Asked) -> Span:
        """The logs of some blocks. Raises NodeError."""
        return await self._page(endpoint, {"fromBlock": hex(asked.first), "toBlock": hex(asked.last)}, asked)

    async def span(self, endpoint: Endpoint, ranges: Ranges[Span], target: Header, ids_above: float, part: Part | None = None) -> Span:
        """The next blocks of `ranges`, which end at the target; at least one answer's.

        Raises NodeError; but what was gathered before a question that failed by the network's fault comes first, so that a long range
        comes on: a fault that lasts is raised by the next span.
        """
        return await _Gathering(self, endpoint, ranges, target, ids_above, part or Part()).run()

    async def _page(self, endpoint: Endpoint, where: Mapping[str, str], asked: Asked) -> Span:
        entries: Sequence[Mapping[str, Any]] = await endpoint.logs({**self._filter, **where})
        page = Span(asked.first, asked.last, asked.ids_above, len(entries))
        if (found := by_columns(self._shapes, entries, asked)) is not None:
            page.events, page.ids, entries = found.newest, found.ids, found.others
        events = [self._decode(entry) for entry in entries]
        for event in events:
            if event is not None and not event.removed:
                _check(event, asked)
                page.add(event)
        return page

    def _decode(self, entry: Mapping[str, Any]) -> LogEvent | None:
        """A log that does not decode is counted, shown and skipped."""
        try:
            return decode_log(self._asset.triggers, entry)
        except DecodeError as error:
            self._ports.metrics.logs_undecodable.labels(self._asset.name).inc()
            log.warning("log does not decode", asset=self._asset.name, reason=str(error))
            return None


def _check(event: LogEvent, asked: Asked) -> None:
    """A log of a block that was not asked for would be waited for: for ever, where there is no such block."""
    if not asked.first <= event.block <= asked.last:
        raise BadAnswer(f"eth_getLogs: a log of block {event.block}, {asked.first} to {asked.last} were asked for")
    if event.block == asked.target and event.block_hash != asked.target_hash:
        raise WrongBlock(f"eth_getLogs: logs of another block {event.block}")


class _Gathering:
    """One span's."""

    def __init__(
        self, gatherer: Gatherer, endpoint: Endpoint, ranges: Ranges[Span], target: Header, ids_above: float, part: Part
    ) -> None:
        self._gatherer, self._endpoint, self._ranges, self._target, self._part = gatherer, endpoint, ranges, target, part
        self._span = Span(ranges.next_block, ranges.next_block - 1, ids_above)
        self._until = trio.current_time() + LONGEST_SECS
        self._came, self._under_way = Bell(), 0
        self._fault: NodeError | None = None

    async def run(self) -> Span:
        async with trio.open_nursery() as nursery:
            self._take()  # what came ahead while the last span was gathered
            while not self._is_over():
                while (asked := self._next()) is not None:
                    nursery.start_soon(self._ask, asked)
                await self._came.wait()
                self._take()
            if self._fault is not None:
                nursery.cancel_scope.cancel()
        if self._fault is not None and (self._span.last < self._span.first or not isinstance(self._fault, Transient)):
            raise self._fault
        return self._span

    def _is_over(self) -> bool:
        return self._fault is not None or self._ranges.done or self._is_full()

    def _is_full(self) -> bool:
        full = len(self._span.events) >= self._part.wallets or trio.current_time() > self._until
        return full and self._span.last >= self._span.first

    def _next(self) -> Range | None:
        most = self._part.under_way
        if self._under_way >= most or self._under_way + self._ranges.waiting >= most + AHEAD:
            return None
        asked = self._ranges.ask()
        self._under_way += asked is not None
        return asked

    async def _ask(self, asked: Range) -> None:
        question = Asked(*asked, self._target.number, self._target.hash, self._span.ids_above)
        try:
            page = await self._gatherer.range(self._endpoint, question)
        except NodeError as error:
            self._ranges.give_back(asked)
            self._failed(asked, error)
        except trio.Cancelled:
            self._ranges.give_back(asked)  # another span may follow over these ranges
            raise
        else:
            self._gatherer.size.accepted(asked[1] - asked[0] + 1, page.logs)
            self._ranges.answered(asked, page)
        self._under_way -= 1
        self._came.ring()

    def _failed(self, asked: Range, error: NodeError) -> None:
        """Ask for less, or give up."""
        size, blocks = self._gatherer.size, asked[1] - asked[0] + 1
        if isinstance(error, TooLarge) and blocks > 1:
            size.refused(blocks, error.hint)
            return
        if isinstance(error, Transient) and not isinstance(error, Throttled):
            # An answer that takes too long, or is too long, is no refusal in words, and would come the same way again.
            size.refused(blocks)
        self._fault = self._fault or error

    def _take(self) -> None:
        while not self._is_full() and (page := self._ranges.take()) is not None:
            self._span.extend(page)
            self._gatherer.on_blocks(page.last)
