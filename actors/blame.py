"""Who is at fault for a call that failed, and what becomes of its batch: the endpoint is left and somebody else asked, or the batch is
parted until one wallet is alone, which is then set aside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from actors.batch import Batch
from actors.errors import NodeBehind, NodeError, NotYet, OrphanedBlock, Permanent, Throttled, TooLarge, Transient
from actors.evm.endpoint import Endpoint
from actors.log import get_logger
from actors.messages import Touch
from actors.pin import choose_pin
from actors.ports import ChainPorts

ALONE_FAILURES = 5
REPROBE_FAILURES = 2
NOT_YET_SECS = 0.5
MOST_WAITS = 20
log = get_logger("batcher")


class Blame:
    """One chain's. `set_aside` passes on that a batch of one wallet failed by itself."""

    def __init__(self, ports: ChainPorts, set_aside: Callable[[Batch, NodeError], Awaitable[None]]) -> None:
        self._ports, self._set_aside = ports, set_aside

    async def after(self, endpoint: Endpoint, batch: Batch, error: NodeError) -> float:
        """Deal with a batch whose call failed. How many seconds to wait before it is asked for again; 0 where that is seen to."""
        ports = self._ports
        if isinstance(error, NotYet):
            return self._not_yet(batch, error.head)
        if isinstance(error, TooLarge | Permanent):
            await self._refused(endpoint, batch, error)
        elif isinstance(error, OrphanedBlock):
            if batch.failures:  # twice: the endpoint does not agree with itself, or sits on a branch of its own
                ports.pool.failed(endpoint, NodeBehind(str(error)))
            ports.hand.again(batch)
        else:
            ports.metrics.node_errors.labels(ports.config.name, endpoint.name, type(error).__name__).inc()
            log.warning("read failed", endpoint=endpoint.name, wallets=batch.count, reason=str(error))
            await self._failed(endpoint, batch, error)
        return 0.0

    def _not_yet(self, batch: Batch, head: int) -> float:
        """Nobody is to blame, and nobody else waits: not the endpoint, not the wallets of older blocks. A hint of a block that does not
        come is let go, and so is an orphaned event: if there is anything to it, a closing finds it.
        """
        book = self._ports.book

        def drops(touch: Touch) -> bool:
            return batch.failures >= MOST_WAITS and not book.is_any_open(touch.errands)

        if all(touch.need > head and not drops(touch) for touch in batch.touches):
            return float(min(NOT_YET_SECS, 0.05 * 2**batch.failures))
        self._ports.hand.sift(batch, head, drops)
        return 0.0

    async def _failed(self, endpoint: Endpoint, batch: Batch, error: NodeError) -> None:
        if await self._wallets_are_at_fault(endpoint, batch, error):
            self._ports.pool.ok(endpoint)
            await self._isolate(endpoint, batch, error)
            return
        # A rung may stop working in words that nobody knows.
        endpoint.probed = endpoint.probed and batch.failures < REPROBE_FAILURES
        self._ports.pool.failed(endpoint, error)
        self._ports.hand.again(batch)

    async def _wallets_are_at_fault(self, endpoint: Endpoint, batch: Batch, error: NodeError) -> bool:
        """Whether the same call without any wallet goes through, after a second failure: a node may break down over one wallet's read
        (a timeout, a 502), and would be asked for it for ever, and be left by everybody else each time.
        """
        if batch.failures == 0 or not isinstance(error, Transient) or isinstance(error, Throttled):
            return False
        return await self._answers_others(endpoint, batch)

    async def _isolate(self, endpoint: Endpoint, batch: Batch, error: NodeError) -> None:
        if batch.divisible:
            self._ports.size_for(endpoint).refused(batch.count)
            self.split(batch, failures=1)
        elif batch.failures < ALONE_FAILURES:
            self._ports.hand.again(batch)
        else:
            await self._set_aside(batch, error)

    def split(self, batch: Batch, failures: int = 0, most: int | None = None) -> None:
        """Each half is asked for by itself, or of a page each part of at most so many wallets; a page of one becomes a touch of it."""
        hand, book, page = self._ports.hand, self._ports.book, batch.page
        if page is None:
            hand.split(batch, failures)
            return
        hand.landed(batch)
        if page.count > 1:
            for part in book.part_page(page, most or (page.count + 1) // 2):
                hand.put_page(replace(part, failures=failures))
            return
        hand.put_suspects(book.single_out(page, [page.wallets]))
        book.finish_page(page, 0)

    async def _answers_others(self, endpoint: Endpoint, batch: Batch) -> bool:
        """Whether the endpoint answers the same call without any wallet."""
        try:
            pin = await choose_pin(self._ports, endpoint, batch)
            await self._ports.reader.read(endpoint, pin, [])
        except NodeError:
            return False
        return True

    async def _refused(self, endpoint: Endpoint, batch: Batch, error: NodeError) -> None:
        """A smaller question, down to one wallet; that one is at fault only if the endpoint answers without it.

        What no smaller question would mend may be the rung's fault: then the endpoint is probed again.
        """
        smaller_helps = batch.divisible and isinstance(error, TooLarge)
        if not smaller_helps and not await self._answers_others(endpoint, batch):
            endpoint.probed = False
            self._ports.pool.failed(endpoint, Transient(str(error)))
            self._ports.hand.again(batch)
            return
        self._ports.pool.ok(endpoint)
        if batch.divisible:
            self._ports.size_for(endpoint).refused(batch.count)
            self.split(batch)
        else:
            await self._set_aside(batch, error)
