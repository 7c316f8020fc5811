"""The subscriber of one chain: follows it, and turns its logs into touches.

Two kinds of tasks: one listens to the socket (`pushes.py`), whose notifications only wake and hint; one an asset closes ranges of
blocks (`closing.py`), which is what the checkpoint rests on. On crash or kill: open closings live in the errand book and are sent again;
repairs begin anew, since their orphaned blocks are still remembered. It subscribes first and closes after, so nothing falls between.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from actors.closing import Closer
from actors.errors import DecodeError, NodeError
from actors.evm.block import Header
from actors.evm.endpoint import Endpoint
from actors.evm.headers import header_of
from actors.log import get_logger
from actors.mailbox import Bell
from actors.messages import Marks
from actors.ports import ChainPorts
from actors.progress import beat, effort
from actors.pushes import PushWatch, Socket
from actors.reorg import Reorgs
from actors.restarts import Backoff
from actors.store import chain as chain_store
from actors.store import checkpoint
from actors.timers import Timers

RETRY_SECS = (0.2, 10.0)
WAITED_FOR_SECS = 2.0
A = TypeVar("A")
T = TypeVar("T")
log = get_logger("subscriber")


class Wake:
    """What an asset's closing task waits for: a pushed head, or a reason to close by timer at once."""

    def __init__(self) -> None:
        self.bell = Bell()
        self.whole = True
        self._whole_at = float("-inf")

    def ring(self, whole: bool) -> None:
        """`whole`: close everything above `confirmed`; else only what is new."""
        self.whole |= whole
        self.bell.ring()

    def take(self, head_first: bool) -> bool:
        """Whether the next closing is a whole one; `head_first`: not before a head that waits."""
        if head_first:
            return False
        whole, self.whole = self.whole, False
        if whole:
            self._whole_at = trio.current_time()
        return whole

    async def wait(self, timers: Timers, period: Callable[[], float]) -> None:
        """Wait for a ring, or until the last whole closing is a period old, in seconds: heads that keep coming must not put it off. What
        was put off for a head waits for nothing.
        """
        if self.whole:
            return
        with timers.move_on_at(lambda: self._whole_at + period()) as timer:
            await self.bell.wait()
        self.whole |= timer.cancelled_caught


def show_marks(ports: ChainPorts, name: str, marks: Marks | None) -> None:
    """Show an asset's checkpoint."""
    if marks is None:
        return
    view = ports.asset_views[name]
    view.checkpoint_block, view.confirmed = marks.last_block, marks.confirmed


async def stand_by(ports: ChainPorts) -> None:
    """Another copy of the process follows the chain: closed block and branch are what Postgres says."""
    if ports.view.leads:
        ports.view.leads, ports.view.closed = False, None
        for view in ports.asset_views.values():
            view.checkpoint_time = None
    ports.view.branch = await ports.store.patiently(chain_store.branch, ports.config.name)
    for name, asset in ports.assets.items():
        show_marks(ports, name, await ports.store.patiently(checkpoint.load, asset.checkpoint))


class Subscriber:
    """One incarnation. See the module."""

    def __init__(self, ports: ChainPorts) -> None:
        self._ports = ports
        self._followed = {name: asset for name, asset in ports.assets.items() if asset.triggers}
        self._wakes = {name: Wake() for name in self._followed}
        self._watch = PushWatch()
        self._reorgs = Reorgs(ports)
        self._socket = Socket(ports, self._followed, self._watch, self._wake_all)

    def _wake_all(self, whole: bool) -> None:
        for wake in self._wakes.values():
            wake.ring(whole)

    async def run(self) -> None:
        """Follow the chain for ever."""
        ports = self._ports
        ports.view.leads = True
        for errand in ports.book.open_of("repair", ports.config.name):
            ports.book.drop(errand.id)
        with effort():
            ports.view.branch = await ports.store.patiently(chain_store.branch, ports.config.name)
            for name in self._followed:
                await self._boot(name)
                # From now on closings are due here: one that never comes must not pass for one that was never due.
                ports.asset_views[name].last_closed_at = trio.current_time()
        async with trio.open_nursery() as nursery:
            if ports.config.ws and self._followed:
                nursery.start_soon(self._socket.listen)
            for name in self._followed:
                nursery.start_soon(self._close_forever, name)
            if not self._followed:
                nursery.start_soon(self._watch_heads)

    async def _boot(self, name: str) -> None:
        """A first boot stores the head as both marks, before anything is subscribed to."""
        key = self._ports.assets[name].checkpoint
        marks = await self._ports.store.patiently(checkpoint.load, key)
        if marks is None:
            head = await self._with_node(self._first_head)
            await self._ports.store.patiently(checkpoint.create, self._ports.config.name, key, head.number, head.hash)
            marks = await self._ports.store.patiently(checkpoint.load, key)
        show_marks(self._ports, name, marks)

    async def _first_head(self, endpoint: Endpoint) -> Header | None:
        head = await endpoint.header("latest")
        if head is not None:
            await self._reorgs.remember_below(endpoint, head)
        return head

    async def _with_node(self, ask: Callable[[Endpoint], Awaitable[T | None]]) -> T:
        """Ask endpoints until one answers with something: a named retry, which is progress."""
        backoff = Backoff(*RETRY_SECS)
        while True:
            beat()
            endpoint = await self._ports.pool.pick()
            try:
                answer = await ask(endpoint)
            except NodeError as error:
                self._ports.failed(endpoint, error)
            else:
                if answer is not None:
                    return answer
            await trio.sleep(backoff.after(0))

    async def _watch_heads(self) -> None:
        """A chain without triggers only needs its reorgs seen, for what the sweep has read."""
        while True:
            await self._attempt(self._look_back, None)
            await self._ports.timers.sleep(lambda: self._ports.config.poll_interval_secs)

    async def _look_back(self, _: None) -> None:
        """Compare what was read in the latest blocks; older ones are forgotten, as a closing would forget them."""
        ports, chain = self._ports, self._ports.config.name
        endpoint = await ports.pool.pick()
        try:
            head = await header_of(endpoint, "latest")
            ports.saw_head(head)
            branch, above = ports.view.branch, head.number - chain_store.KEPT_CLOSINGS
            blocks = await ports.store.patiently(chain_store.remembered, chain, above)
            if not await self._reorgs.look(blocks, branch, endpoint, head):
                await ports.store.patiently(chain_store.prune, chain, above, 1)
        except NodeError as error:
            error.endpoint = endpoint  # type: ignore[attr-defined]  # the catcher holds it against who was asked
            raise

    async def _close_forever(self, name: str) -> None:
        closer = Closer(self._ports, self._followed[name], self._reorgs, self._watch)
        wake = self._wakes[name]
        await self._resume(closer, name)
        backoff, parted, waits = Backoff(*RETRY_SECS), False, False
        while True:
            whole = wake.take(head_first=parted and closer.head_waits)
            parted = False
            outcome = await self._attempt(closer.close, whole)
            show_marks(self._ports, name, closer.marks)
            if outcome is not None:
                self._ports.asset_views[name].last_closed_at = trio.current_time()
            if outcome is None:
                self._ports.metrics.closings_failed.labels(name).inc()
                wake.whole |= whole
                await trio.sleep(backoff.after(0))
                continue
            backoff, parted = Backoff(*RETRY_SECS), outcome.parted
            waits = outcome.waits if whole and not parted else waits
            if closer.socket_lies():
                self._socket.reconnect()
            if outcome.more:
                wake.whole |= whole
                continue
            await wake.wait(self._ports.timers, self._soon if waits else self._period)

    def _soon(self) -> float:
        """Until it is seen whether the endpoint that is waited for is back: it is left for a second, as a rule."""
        return min(WAITED_FOR_SECS, self._period())

    def _period(self) -> float:
        config = self._ports.config
        return config.confirm_secs if self._ports.view.connected else config.poll_interval_secs

    async def _resume(self, closer: Closer, name: str) -> None:
        """A closing that a dead incarnation left open is sent again, and seen through."""
        for errand in self._ports.book.open_of("closing", self._ports.config.name, name):
            await closer.see_through(errand)

    async def _attempt(self, step: Callable[[A], Awaitable[T]], arg: A) -> T | None:
        """One closing; a node's fault is noted, counted and held against the endpoint that was asked, and None returned."""
        try:
            with effort():
                return await step(arg)
        except (NodeError, DecodeError) as error:
            endpoint: Endpoint | None = getattr(error, "endpoint", None)
            if endpoint is not None and isinstance(error, NodeError):
                self._ports.failed(endpoint, error)
            self._ports.view.last_error = str(error)
            log.warning("closing failed", chain=self._ports.config.name, reason=str(error))
            return None
