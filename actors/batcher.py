"""The batcher of one chain: turns touches into readings, many wallets in one `eth_call` at one pinned block.

Takes: touches from its mailbox into the hand, and set-aside wallets that are due from Postgres. Sends: outcomes to the writer.
On crash or kill: the hand lives on; what was flying is asked for again. On drain: no new call, calls in flight end.
"""

from __future__ import annotations

from collections import Counter
from functools import partial

import trio

from actors.ahead import Ahead
from actors.batch import Batch
from actors.blame import Blame
from actors.child import ChildSpec
from actors.claim import label_of
from actors.due import take_due
from actors.errors import NodeBehind, NodeError, Permanent, TooLarge
from actors.evm.endpoint import Endpoint
from actors.evm.rung import Answer, Gas
from actors.mailbox import Bell
from actors.messages import Failed, Outcome, Page, PageReading, Reading, Touch
from actors.outcomes import Asked, addresses_of, page_reading, sort
from actors.pin import choose_pin, closed_block, pinned
from actors.ports import ChainPorts
from actors.progress import effort, waiting_for_others


class Batcher:
    """One incarnation. See the module."""

    def __init__(self, ports: ChainPorts) -> None:
        self._ports = ports
        self._room = {True: Bell(), False: Bell()}
        self._flying = 0
        self._blame = Blame(ports, self._set_aside)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Until drained."""
        self._ports.hand.recover()
        async with trio.open_nursery() as takers:
            takers.start_soon(self._take, True)
            takers.start_soon(self._take, False)
            takers.start_soon(take_due, self._ports)
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
                for message in await lane.take(outlet, 1):
                    if isinstance(message, Page):
                        self._ports.hand.put_page(message)
                        continue
                    for touch in message:
                        self._ports.hand.put(touch)
                lane.finished()
                self._ports.hand_bell.ring()

    async def _dispatch(self, calls: trio.Nursery) -> None:
        ports = self._ports
        while not ports.draining:
            wait = ports.budget.sweep_secs()
            free = ports.config.calls_in_flight - self._flying
            sweep = wait == 0 and (free > 1 or ports.config.calls_in_flight == 1)
            most = ports.size_for(ports.pool.preferred()).current
            if free == 1 and len(ports.assets) > 1:
                ports.aheads.give_up()  # the next batch is of all assets' wallets: a call for each of them first would hold it up
            if free > 0 and (ahead := ports.aheads.next()) is not None:
                self._flying += 1
                with ports.budget.batch(live=True):
                    calls.start_soon(self._look_ahead, ahead)
                continue
            batch = ports.hand.next_batch(most, sweep) if free > 0 else None
            if batch is None:
                with trio.move_on_after(wait or float("inf")):
                    await ports.hand_bell.wait()
                continue
            self._flying += 1
            with ports.budget.batch(batch.live):
                calls.start_soon(self._fly, batch)
            for bell in self._room.values():
                bell.ring()

    async def _fly(self, batch: Batch) -> None:
        pause = 0.0
        try:
            with effort():
                pause = await self._read(batch)
        finally:
            self._flying -= 1
            self._ports.hand_bell.ring()
        if pause:
            with waiting_for_others():
                await trio.sleep(pause)
            self._ports.hand.again(batch)
            self._ports.hand_bell.ring()

    async def _look_ahead(self, ahead: Ahead) -> None:
        """Read what a closing will want, if it can be one call; what comes of it is for the batch that takes it."""
        try:
            with effort():
                ahead.endpoint = endpoint = await self._ports.pool.pick()
                ahead.asked = asked = Asked(ahead.pin, ahead.branch, trio.current_time())
                if self._can_look_ahead(endpoint, ahead):
                    plan = [(self._ports.sources_of(ahead.asset), wallet) for wallet in ahead.places]
                    ahead.answer = await self._ports.reader.read(endpoint, ahead.pin, plan)
                    self._accepted(endpoint, len(plan), asked, ahead.answer.gas)
        except NodeError as error:
            ahead.error = error
            if isinstance(error, TooLarge) and len(ahead.places) > 1:  # also where no batch takes it
                self._ports.size_for(endpoint).refused(len(ahead.places))
        finally:
            self._flying -= 1
            ahead.over.set()
            self._ports.hand_bell.ring()

    def _can_look_ahead(self, endpoint: Endpoint, ahead: Ahead) -> bool:
        rung, most = self._ports.reader.rung(endpoint).name, self._ports.size_for(endpoint).current
        return endpoint.probed and rung != "single" and len(ahead.places) <= most and ahead.stands(self._ports.view.closed)

    async def _foreseen(self, batch: Batch) -> Ahead | None:
        """What was read ahead for the batch, once that is over; None where it has to ask itself."""
        ahead = self._ports.aheads.take(batch, closed_block(self._ports, batch))
        if ahead is None:
            return None
        with waiting_for_others():
            await ahead.over.wait()
        return ahead if ahead.tells(batch, trio.current_time()) else None

    async def _read(self, batch: Batch) -> float:
        """Read a batch, whatever comes of it. How many seconds to wait before it is asked for again, without a call's place."""
        ports = self._ports
        ahead = await self._foreseen(batch)
        endpoint = await ports.pool.pick() if ahead is None or ahead.endpoint is None else ahead.endpoint
        try:
            if ahead is not None:
                await self._take_over(endpoint, batch, ahead)
                return 0.0
            if not endpoint.probed:
                await self._probe(endpoint)
            size = ports.size_for(endpoint)
            if batch.count > min(size.most, 2 * size.current):
                # It was made for another endpoint, or for what was configured then; and pages are not smaller than a call begins with.
                self._blame.split(batch, most=size.current)
                return 0.0
            await self._ask(endpoint, batch)
        except NodeError as error:
            return await self._blame.after(endpoint, batch, error)
        return 0.0

    async def _set_aside(self, batch: Batch, error: NodeError) -> None:
        await self._pass_on(batch, [Failed(batch.touches[0], str(error), self._ports.view.branch)], [])

    async def _probe(self, endpoint: Endpoint) -> None:
        try:
            await self._ports.reader.probe(endpoint)
        except (TooLarge, Permanent) as error:
            # An endpoint that cannot be probed is at fault, not the wallets that were to be read from it.
            raise NodeBehind(f"probe: {error}") from error

    async def _ask(self, endpoint: Endpoint, batch: Batch) -> None:
        """Read, and pass on what came of it. Raises NodeError."""
        ports, page = self._ports, batch.page
        # The branch is noted before the pin is chosen: a reorg in between makes the reading refused, never wrong.
        branch, asked_at = ports.view.branch, trio.current_time()
        pin = await choose_pin(ports, endpoint, batch)
        asked = Asked(pin, branch, asked_at)
        if page is not None:
            with_page = partial(ports.reader.read_page, endpoint, pin, ports.sources_of(page.asset), addresses_of(page))
            found = await pinned(ports, endpoint, pin, with_page)
            self._accepted(endpoint, batch.count, asked, found.gas)
            await self._pass_on_page(batch, *page_reading(page, found, asked), found.marked)
            return
        plan = [(ports.sources_of(touch.asset), touch.wallet) for touch in batch.touches]
        answer = await pinned(ports, endpoint, pin, partial(ports.reader.read, endpoint, pin, plan, batch.wide))
        self._accepted(endpoint, batch.count, asked, answer.gas)
        await self._pass_on_answer(batch, answer, asked)

    async def _take_over(self, endpoint: Endpoint, batch: Batch, ahead: Ahead) -> None:
        """Pass on what was read ahead. Raises the NodeError that came instead."""
        answer = await pinned(self._ports, endpoint, ahead.pin, partial(ahead.answered, batch))
        assert ahead.asked is not None
        await self._pass_on_answer(batch, answer, ahead.asked)

    async def _pass_on_answer(self, batch: Batch, answer: Answer, asked: Asked) -> None:
        ports = self._ports
        outcomes, alone = sort(batch, answer.values, asked)
        for name, count in Counter(outcome.touch.asset for outcome in outcomes if isinstance(outcome, Reading)).items():
            ports.metrics.readings.labels(label_of(name)).inc(count)
        await self._pass_on(batch, outcomes, alone, answer.marked)

    def _accepted(self, endpoint: Endpoint, wallets: int, asked: Asked, gas: Gas | None) -> None:
        self._ports.pool.ok(endpoint)
        size = self._ports.size_for(endpoint)
        size.accepted(wallets, trio.current_time() - asked.at, gas)
        self._ports.view.wallets_per_call = size.current

    async def _pass_on(self, batch: Batch, outcomes: list[Outcome], alone: list[Touch], marked: bool = False) -> None:
        if outcomes:
            with self._ports.readings.lane(batch.live).inlet() as inlet, waiting_for_others():
                await inlet.send(tuple(outcomes))
        self._ports.hand.landed(batch, alone, marked)

    async def _pass_on_page(self, batch: Batch, reading: PageReading, failed: list[str], marked: bool) -> None:
        """To whichever of the pages' writers has less to do. Who failed is asked for apart, and the page's errand waits for that too."""
        self._ports.metrics.readings.labels(reading.page.asset).inc(reading.count)
        touches = self._ports.book.single_out(reading.page, failed)
        if marked:
            self._ports.hand.put_together(touches)
        else:
            self._ports.hand.put_suspects(touches)
        lane = min(self._ports.pages, key=lambda lane: lane.waiting())
        with lane.inlet() as inlet, waiting_for_others():
            await inlet.send(reading)
        self._ports.hand.landed(batch)


def batcher_of(ports: ChainPorts) -> ChildSpec:
    """A chain's batcher, as the supervisor keeps it."""

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        await Batcher(ports).run(task_status=task_status)

    def drain() -> None:
        ports.draining = True
        ports.hand_bell.ring()

    return ChildSpec(f"batcher:{ports.config.name}", run, drain=drain, drain_share=0.5)
