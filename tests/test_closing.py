"""Closing a range of blocks: how it is asked for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from actors.askings import Asking, Askings
from actors.closing import Closed, Closer
from actors.errors import NodeBehind, NodeError, Permanent, Transient
from actors.evm.block import Header
from actors.evm.endpoint import Endpoint
from actors.evm.http import HttpClient
from actors.evm.pool import Pool
from actors.messages import Marks
from actors.metrics import Metrics
from actors.ports import ChainPorts
from actors.pushes import PushWatch
from actors.restarts import Backoff
from actors.subscriber import RETRY_SECS

TARGET = Header(1000, b"\x01" * 32, bytes(32), 0, bytes(32))


class FakeEndpoint:
    """Answers no logs, and remembers where they were asked for."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    async def logs(self, where: dict[str, Any]) -> list[dict[str, Any]]:
        await trio.lowlevel.checkpoint()
        self.asked.append({name: where[name] for name in ("blockHash", "fromBlock", "toBlock") if name in where})
        return []


async def asked_for(first: int) -> list[dict[str, Any]]:
    ports: Any = SimpleNamespace(config=SimpleNamespace(max_log_blocks=400, name="c"), askings={"A": Askings()})
    asset: Any = SimpleNamespace(name="A", triggers=[])
    endpoint: Any = FakeEndpoint()
    span = await Closer(ports, asset, None, PushWatch()).gather(endpoint, first, TARGET)  # type: ignore[arg-type]  # no reorgs in here
    assert (span.first, span.last) == (first, TARGET.number)
    return list(endpoint.asked)


async def test_one_block_is_asked_for_by_its_hash() -> None:
    assert await asked_for(1000) == [{"blockHash": "0x" + TARGET.hash.hex()}]


async def test_several_blocks_are_asked_for_by_their_numbers() -> None:
    assert await asked_for(998) == [{"fromBlock": hex(998), "toBlock": hex(1000)}]


def test_marks_step_with_what_was_closed() -> None:
    steps: dict[int | None, list[tuple[int, int | None]]] = defaultdict(list)
    for confirms in (10, 7, None):
        for block in (5, 10, 15):
            after = Marks(10, 3).closed_up_to(block, confirms)
            steps[confirms].append((after.last_block, after.confirmed))
    assert steps == {
        10: [(10, 5), (10, 10), (15, 10)],
        7: [(10, 5), (10, 7), (15, 7)],
        None: [(10, 3), (10, 3), (15, 3)],
    }
    assert (Marks(10, 3).first_unconfirmed, Marks(10, None).first_unconfirmed) == (4, 10)


class Forgetful:
    """A node that has logs and not, or no longer, the headers of old blocks."""

    def __init__(self, says: Header | NodeError | None) -> None:
        self.says, self.asked = says, 0

    async def header(self, number: int) -> Header | None:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        if isinstance(self.says, NodeError):
            raise self.says
        return self.says


@pytest.mark.parametrize("says", [None, Permanent("header not found"), Transient("timed out")])
async def test_an_old_header_that_is_not_to_be_had_stops_no_closing_and_costs_a_call_a_minute(
    autojump_clock: trio.testing.MockClock, says: NodeError | None
) -> None:
    unused: Any = None
    config: Any = SimpleNamespace(name="c")
    ports = ChainPorts(config, {}, *[unused] * 14)
    endpoint: Any = Forgetful(says)
    for first in range(10):  # of closings within a second
        await ports.learn_when(endpoint, first)
    assert endpoint.asked == 1
    await trio.sleep(61)
    endpoint.says = replace(TARGET, number=5)
    for _ in range(10):
        await ports.learn_when(endpoint, 5)
    assert endpoint.asked == 2
    assert ports.times.reaches_back_to(5)


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "by heads"])
async def test_an_endpoint_that_is_stuck_is_not_asked_for_ever_while_the_other_one_is_well(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """Who is behind is left for half a second: with the pauses growing past that it would be up again each time."""
    pool = Pool(["http://well", "http://stuck"], 1, HttpClient(), trio.current_time)
    well, stuck = pool.endpoints
    asked: list[Endpoint] = []

    async def patiently(*_: object) -> tuple[Marks, list[Any]]:
        await trio.lowlevel.checkpoint()
        return Marks(15, 10), []

    async def half(_: Closer, endpoint: Endpoint, *__: object) -> Closed:
        await trio.lowlevel.checkpoint()
        asked.append(endpoint)
        if endpoint is stuck:
            raise NodeBehind("has no such block")
        if asked.count(well) == 1:
            raise Transient("once")
        return Closed(more=False)

    monkeypatch.setattr(Closer, "_close", half)
    view = SimpleNamespace(branch=0, head=None)
    ports: Any = SimpleNamespace(pool=pool, config=SimpleNamespace(max_log_blocks=1, name="c"), view=view, askings={"A": Askings()})
    ports.store = SimpleNamespace(patiently=patiently)
    ports.askings["A"].ended(Asking(well, Marks(10, 10), 0, 11, None), 15)
    closer = Closer(ports, SimpleNamespace(name="A", checkpoint="a", triggers=[]), None, PushWatch())  # type: ignore[arg-type]  # no reorgs in here
    closer.marks = Marks(15, 10)
    backoff = Backoff(*RETRY_SECS)
    for _ in range(8):
        try:
            await closer.close(whole)
        except NodeError as error:
            pool.failed(error.endpoint, error)  # type: ignore[attr-defined]
            await trio.sleep(backoff.after(0))
        else:
            break
    assert asked[-1] is well
    assert len(asked) <= 5


async def test_who_withheld_logs_is_left_once_however_many_parts_of_the_second_asking_find_it(autojump_clock: trio.testing.MockClock) -> None:
    pool = Pool(["http://well", "http://withholds"], 1, HttpClient(), trio.current_time)
    well, withholds = pool.endpoints
    config, metrics = SimpleNamespace(max_log_blocks=1, name="c"), Metrics()
    ports: Any = SimpleNamespace(pool=pool, config=config, metrics=metrics, askings={"A": Askings()})
    ports.askings["A"].ended(Asking(withholds, Marks(10, 10), 0, 11, None), 20)
    closer = Closer(ports, SimpleNamespace(name="A", checkpoint="a", triggers=[]), None, PushWatch())  # type: ignore[arg-type]  # no reorgs in here
    pool.failed(withholds, NodeBehind("has no such block"))  # to be left for something else is no excuse
    withholds.failures = 0
    for block in range(11, 15):
        closer._judge(Asking(well, Marks(20, block - 1), 0, block, block), [block])
    assert (well.failures, withholds.failures) == (0, 1)
    assert withholds.last_error == "withheld logs"
    assert metrics.logs_withheld.labels("c")._value.get() == 4
    await trio.sleep(2)
    closer._judge(Asking(well, Marks(20, 15), 0, 16, 16), [16])
    assert withholds.failures == 2
