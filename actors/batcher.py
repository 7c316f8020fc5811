"""The batcher of one chain: turns touches into readings, many wallets in one `eth_call` at one pinned block.

Takes: touches from its mailbox into the hand, and set-aside wallets that are due from Postgres. Sends: outcomes to the writer.
On crash or kill: the hand lives on; what was flying is asked for again. On drain: no new call, calls in flight end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import trio

from actors.errors import NodeBehind, NodeError, OrphanedBlock, Permanent, StoreDown, Throttled, TooLarge, Transient, WrongBlock
from actors.evm import reader
from actors.evm.block import Pin
from actors.evm.pool import Endpoint
from actors.hand import Batch, BatchSize
from actors.log import get_logger
from actors.mailbox import Bell
from actors.messages import Failed, Outcome, Reading, Touch
from actors.pin import choose_pin, is_orphaned
from actors.ports import ChainPorts
from actors.progress import effort, waiting_for_others
from actors.store import holders, set_aside

FIRST_SIZE = 200
DUE_EVERY_SECS = 5.0
DUE_AT_ONCE = 100
ALONE_FAILURES = 5
log = get_logger("batcher")


class Batcher:
    """One incarnation. See the module."""

    def __init__(self, ports: ChainPorts) -> None:
        self._ports = ports
        self._size = BatchSize(min(FIRST_SIZE, ports.config.holders_per_call))
        self._room = {True: Bell(), False: Bell()}
        self._free = ports.config.calls_in_flight
        self._multicall3 = ports.config.multicall3
        self._plans = {name: asset.sources for name, asset in ports.assets.items()}

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Until drained."""
        self._ports.hand.recover()
        async with trio.open_nursery() as takers:
            takers.start_soon(self._take, True)
            takers.start_soon(self._take, False)
            takers.start_soon(self._take_due)
            task_status.started()
            async with trio.open_nursery() as calls:
                await self._dispatch(calls)
            takers.cancel_scope.cancel()

    async def _take(self, live: bool) -> None:
        lane = self._ports.touches.lane(live)
        with lane.outlet() as outlet:
            while True:
                while not self._ports.hand.has_room(live):
                    await self._room[live].wait()
                for touches in await lane.take(outlet, 1):
                    for touch in touches:
                        self._ports.hand.put(touch)
                lane.finished()
                self._ports.hand_bell.ring()

    async def _take_due(self) -> None:
        """Set-aside wallets whose next attempt is due; Postgres holds them, so that nothing is lost with this task."""
        tables = {asset.table: name for name, asset in self._ports.assets.items()}
        while True:
            with effort():
                try:
                    due = await self._ports.store.database.run(set_aside.due, list(tables), DUE_AT_ONCE)
                except StoreDown:
                    due = []
                await self._count_set_aside(tables)
            for row in due:
                block = row.block or 0
                touch = Touch(tables[row.table], row.wallet, block, row.block, live=False, suspect=True)
                self._ports.hand.put(touch)
            if due:
                self._ports.hand_bell.ring()
            await trio.sleep(DUE_EVERY_SECS)

    async def _count_set_aside(self, tables: Mapping[str, str]) -> None:
        """What is shown of the set-aside wallets and of the rows, as often as the due ones are asked for."""
        for table, name in tables.items():
            view, asset = self._ports.asset_views[name], self._ports.assets[name]
            try:
                view.set_aside = await self._ports.store.database.run(set_aside.count, [table])
                view.tracked_wallets = await self._ports.store.database.run(holders.count, asset)
            except StoreDown:
                return

    async def _dispatch(self, calls: trio.Nursery) -> None:
        ports = self._ports
        while not ports.draining:
            wait = ports.budget.sweep_secs()
            sweep = wait == 0 and (self._free > 1 or ports.config.calls_in_flight == 1)
            batch = ports.hand.next_batch(self._size.current, sweep) if self._free else None
            if batch is None:
                with trio.move_on_after(wait or float("inf")):
                    await ports.hand_bell.wait()
                continue
            self._free -= 1
            with ports.budget.batch(batch.live):
                calls.start_soon(self._fly, batch)
            for bell in self._room.values():
                bell.ring()

    async def _fly(self, batch: Batch) -> None:
        try:
            with effort():
                await self._read(batch)
        finally:
            self._free += 1
            self._ports.hand_bell.ring()

    async def _read(self, batch: Batch) -> None:
        pool, hand = self._ports.pool, self._ports.hand
        endpoint = await pool.pick()
        try:
            if not endpoint.probed:
                await self._probe(endpoint)
            outcomes, alone = await self._ask(endpoint, batch)
        except (TooLarge, Permanent) as error:
            await self._refused(endpoint, batch, error)
        except OrphanedBlock as error:
            if batch.failures:  # twice: the endpoint does not agree with itself, or sits on a branch of its own
                pool.failed(endpoint, NodeBehind(str(error)))
            hand.again(batch)
        except NodeError as error:
            self._ports.metrics.node_errors.labels(self._ports.config.name, endpoint.name, type(error).__name__).inc()
            log.warning("read failed", endpoint=endpoint.name, wallets=len(batch.touches), reason=str(error))
            if await self._wallets_are_at_fault(endpoint, batch, error):
                pool.ok(endpoint)
                await self._isolate(batch, error)
            else:
                pool.failed(endpoint, error)
                hand.again(batch)
        else:
            pool.ok(endpoint)
            self._size.accepted(len(batch.touches))
            self._ports.view.wallets_per_call = self._size.current
            for outcome in outcomes:
                if isinstance(outcome, Reading):
                    self._ports.metrics.readings.labels(outcome.touch.asset).inc()
            await self._pass_on(batch, outcomes, alone)

    async def _wallets_are_at_fault(self, endpoint: Endpoint, batch: Batch, error: NodeError) -> bool:
        """Whether the same call without any wallet goes through, after a second failure: a node may break down over one wallet's read
        (a timeout, a 502), and would be asked for it for ever, and be left by everybody else each time.
        """
        if batch.failures == 0 or not isinstance(error, Transient) or isinstance(error, Throttled):
            return False
        return await self._answers_others(endpoint, batch)

    async def _isolate(self, batch: Batch, error: NodeError) -> None:
        if len(batch.touches) > 1:
            self._size.refused(len(batch.touches))
            self._ports.hand.split(batch, failures=1)
        elif batch.failures < ALONE_FAILURES:
            self._ports.hand.again(batch)
        else:
            await self._set_aside(batch, error)

    async def _answers_others(self, endpoint: Endpoint, batch: Batch) -> bool:
        """Whether the endpoint answers the same call without any wallet."""
        try:
            pin = await choose_pin(self._ports, endpoint, batch)
            await reader.read(endpoint, self._multicall3, self._ports.config.chain_id, pin, [])
        except NodeError:
            return False
        return True

    async def _set_aside(self, batch: Batch, error: NodeError) -> None:
        await self._pass_on(batch, [Failed(batch.touches[0], str(error), self._ports.view.branch)], [])

    async def _probe(self, endpoint: Endpoint) -> None:
        try:
            await reader.probe(endpoint, self._multicall3, self._ports.config.chain_id)
        except (TooLarge, Permanent) as error:
            # An endpoint that cannot be probed is at fault, not the wallets that were to be read from it.
            raise NodeBehind(f"probe: {error}") from error

    async def _ask(self, endpoint: Endpoint, batch: Batch) -> tuple[list[Outcome], list[Touch]]:
        ports = self._ports
        # The branch is noted before the pin is chosen: a reorg in between makes the reading refused, never wrong.
        branch, asked_at = ports.view.branch, trio.current_time()
        pin = await choose_pin(ports, endpoint, batch)
        plan = [(self._plans[touch.asset], touch.wallet) for touch in batch.touches]
        behind: NodeBehind | None = None
        try:
            values = await reader.read(endpoint, self._multicall3, ports.config.chain_id, pin, plan)
        except NodeBehind as error:
            behind = error
        if behind is None:
            return self._sort(batch, values, pin, branch, asked_at)
        if await is_orphaned(endpoint, pin):
            if ports.view.closed is not None and pin.hash == ports.view.closed.hash:
                # A reorg, which the closings will find, or a node on a branch of its own: its readings are not wanted either way.
                raise WrongBlock(f"has another block {pin.number} than was closed") from behind
            raise OrphanedBlock(f"block {pin.number} is not on the chain any more") from behind
        raise behind

    def _sort(
        self, batch: Batch, values: Sequence[int | reader.Failure], pin: Pin, branch: int, asked_at: float
    ) -> tuple[list[Outcome], list[Touch]]:
        """Readings, and failures of wallets that were alone; the others that failed are asked for alone."""
        outcomes: list[Outcome] = []
        alone: list[Touch] = []
        for touch, value in zip(batch.touches, values, strict=True):
            if isinstance(value, int):
                outcomes.append(Reading(_with_event(touch, pin), value, pin.number, pin.hash, branch, asked_at))
            elif len(batch.touches) == 1:
                outcomes.append(Failed(touch, value.reason, branch))
            else:
                alone.append(touch)
        return outcomes, alone

    async def _refused(self, endpoint: Endpoint, batch: Batch, error: NodeError) -> None:
        """A smaller question, down to one wallet; that one is at fault only if the endpoint answers without it."""
        if len(batch.touches) > 1:
            self._ports.pool.ok(endpoint)
            self._size.refused(len(batch.touches))
            self._ports.hand.split(batch)
            return
        if not await self._answers_others(endpoint, batch):
            endpoint.probed = False
            self._ports.pool.failed(endpoint, Transient(str(error)))
            self._ports.hand.again(batch)
            return
        self._ports.pool.ok(endpoint)
        await self._set_aside(batch, error)

    async def _pass_on(self, batch: Batch, outcomes: list[Outcome], alone: list[Touch]) -> None:
        if outcomes:
            with self._ports.readings.lane(batch.live).inlet() as inlet, waiting_for_others():
                await inlet.send(tuple(outcomes))
        self._ports.hand.landed(batch, alone)


def _with_event(touch: Touch, pin: Pin) -> Touch:
    """A hint's event counts once the reading is of the very block that it named; else it may be of a branch that never was."""
    return touch if touch.block_hash != pin.hash else replace(touch, event_block=max(touch.event_block or 0, pin.number))
