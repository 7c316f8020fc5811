"""A backfill of one asset: finds wallets in the logs of past blocks, window by window, under a checkpoint of its own.

The next window is gathered while the wallets of one are read and written; the checkpoint moves in the transaction that ends a window, so a
stop loses at most the windows under way. Killed, it begins anew from what is stored.

The checkpoint goes back with a reorg, as the asset's own does, and a backfill looks for one itself at its beginning and at its end: where
nobody else follows the chain nobody else would see it. What comes after the head up to which it goes is for the live path, whose checkpoint
begins there unless there is one.
"""

from __future__ import annotations

from collections.abc import Callable

import trio

from actors.budget.spender import BACKFILL, Spender, spending
from actors.closing import Closer
from actors.config import AssetConfig
from actors.errors import ConfigError, NodeBehind, NodeError
from actors.evm.block import Header
from actors.evm.endpoint import Endpoint
from actors.evm.headers import header_of
from actors.evm.ranges import Ranges
from actors.gather import Gatherer, Span
from actors.log import get_logger
from actors.messages import Marks, Move
from actors.ports import ChainPorts
from actors.pushes import PushWatch
from actors.reorg import Reorgs
from actors.restarts import Backoff
from actors.store import chain as chain_store
from actors.store import checkpoint, holders
from actors.touched import items_of

RETRY_SECS = (0.5, 10.0)
NO_PUSHES = float("inf")
log = get_logger("backfill")


class Backfill:
    """Of blocks `first` to `last`, or to the head. `show` hears how many blocks are done, gathered ones included, and of how many."""

    def __init__(
        self, ports: ChainPorts, asset: AssetConfig, first: int, last: int | None, show: Callable[[int, int], object]
    ) -> None:
        self._ports, self._asset, self._first, self._last, self._show = ports, asset, first, last, show
        self._name = checkpoint.of_backfill(asset.checkpoint, first)
        self._to_head, self._begun = last is None, False
        self._lacking: set[int] = set()  # endpoints that do not have the last block
        self._reorgs = Reorgs(ports)
        self._closer = Closer(ports, asset, self._reorgs, PushWatch())
        self._gatherer = Gatherer(ports, asset)
        self._fault: NodeError | None = None

    async def run(self) -> None:
        """Until it is done. A window that a dead incarnation left open is dropped, and gathered again."""
        ports = self._ports
        for errand in [*ports.book.open_of("backfill", ports.config.name, self._asset.name), *ports.book.open_of("repair", ports.config.name)]:
            ports.book.drop(errand.id)  # of a reorg's repairs, too: it is found again
        ports.view.branch = await ports.store.patiently(chain_store.branch, ports.config.name)
        with spending(Spender(BACKFILL, live=False, patient=True)):
            await self._go_on()

    async def _go_on(self) -> None:
        pool, backoff, failed = self._ports.pool, Backoff(*RETRY_SECS), list[Endpoint]()
        while True:
            endpoint, began = await pool.pick(exclude=failed), trio.current_time()
            try:
                if await self._pass(endpoint):
                    return
                failed.clear()
            except NodeError as error:
                self._ports.failed(endpoint, error)
                failed.append(endpoint)  # the others first, each of them
                log.warning("backfill goes on from its checkpoint", asset=self._asset.name, reason=str(error))
                await trio.sleep(backoff.after(trio.current_time() - began))

    async def _pass(self, endpoint: Endpoint) -> bool:
        """Do what is left, as the endpoint has it; True where nothing was. Raises NodeError, with what came before it done."""
        # Before the marks are read: a reorg by another copy in between must drop the windows.
        branch = self._ports.view.branch
        target, head = await self._target(endpoint)
        marks = await self._marks()
        blocks = await self._ports.store.patiently(chain_store.remembered, self._ports.config.name, marks.last_block)
        if await self._reorgs.look(blocks, branch, endpoint, head):
            return False
        if max(marks.last_block + 1, self._first) > target.number:
            return True
        await self._reorgs.remember_below(endpoint, target)
        if self._to_head:
            chain, name = self._ports.config.name, self._asset.checkpoint
            await self._ports.store.patiently(checkpoint.create, chain, name, target.number, target.hash)
        await self._fill(endpoint, marks, target, branch)
        return False

    async def _marks(self) -> Marks:
        while (marks := await self._ports.store.patiently(checkpoint.load, self._name)) is None:
            await self._ports.store.patiently(checkpoint.create, self._ports.config.name, self._name, self._first - 1, None)
        return marks

    async def _target(self, endpoint: Endpoint) -> tuple[Header, Header]:
        """The last block to be gathered, and the head. The endpoint has them, so it answers `[]` for none of the blocks up to there."""
        head = await header_of(endpoint, "latest")
        self._ports.saw_head(head)  # or nobody would know of a node that it is behind
        if self._last is None:
            self._last = head.number  # not the head of later: some chains make blocks faster than these are read
        if head.number < self._last and not self._begun:
            self._lacking.add(endpoint.index)
            if all(one.index in self._lacking for one in self._ports.pool.endpoints if one.chain_ok is not False):
                raise ConfigError(f"--to-block: the chain has no block {self._last} yet")
        target = head if head.number == self._last else await endpoint.header(self._last)
        if target is None or head.number < self._last:
            raise NodeBehind(f"has no block {self._last}")
        self._begun = True
        return target, head

    async def _fill(self, endpoint: Endpoint, marks: Marks, target: Header, branch: int) -> None:
        """Gather windows, and read each while the next is gathered."""
        first = max(self._first, marks.last_block + 1)
        self._gatherer.on_blocks = lambda last: self._show(last - self._first + 1, target.number - self._first + 1)
        self._gatherer.on_blocks(first - 1)
        ranges = Ranges[Span](first, target.number, self._gatherer.size)
        self._fault = None
        into, spans = trio.open_memory_channel[Span](0)
        async with trio.open_nursery() as nursery, spans:
            nursery.start_soon(self._gather, endpoint, ranges, target, into)
            async for span in spans:
                moved = await self._window(span, marks, branch)
                if moved is None:
                    nursery.cancel_scope.cancel()
                    break
                marks = moved
        if self._fault is not None:
            raise self._fault

    async def _gather(
        self, endpoint: Endpoint, ranges: Ranges[Span], target: Header, into: trio.MemorySendChannel[Span]
    ) -> None:
        """Up to the first failure, which waits until what came before it is done."""
        async with into:
            try:
                while not ranges.done:
                    await into.send(await self._gatherer.span(endpoint, ranges, target, NO_PUSHES))
            except NodeError as error:
                self._fault = error

    async def _window(self, span: Span, marks: Marks, branch: int) -> Marks | None:
        """Read what a span's logs touched. The marks after it; None where somebody else moved the checkpoint, or a reorg came."""
        ports, asset = self._ports, self._asset
        rows = await ports.store.patiently(holders.look_up, asset, list(span.events))
        if ports.view.branch != branch:
            return None
        step = Marks(span.last, marks.confirmed)
        move = Move(0, ports.config.name, self._name, branch, marks, step, None)
        items = items_of(asset.name, span.events, rows, branch)
        errand = ports.book.register("backfill", ports.config.name, asset.name, items, move)
        await ports.see_through(errand, live=True)
        return None if errand.dropped else step
