"""How wallets are read, changed while they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from tests.tuning.scene import Scene, rung_of

HUNGRY = {"sweeper.interval_secs": 2, "sweeper.batch_size": 60}


async def calls_a_tick(scene: Scene) -> float:
    """How many calls one tick of the sweep takes, of late."""
    asset, counter = scene.system.view.assets["SIM"], scene.system.metrics.rpc_calls.labels("sim", "sweeper", "eth_call")._value
    await trio.sleep(12)
    calls, ticks = counter.get(), asset.ticks
    await trio.sleep(30)
    return float(counter.get() - calls) / (asset.ticks - ticks)


async def test_a_call_holds_as_many_wallets_as_holders_per_call_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Of sixty rows a tick."""
    scene = Scene(tmp_path, {**HUNGRY, "chain.holders_per_call": 10})
    async with scene.running() as system:
        assert await calls_a_tick(scene) == pytest.approx(6, abs=0.5)
        scene.tune({"chain.holders_per_call": 3})
        assert system.view.chains["sim"].wallets_per_call == 3
        assert await calls_a_tick(scene) == pytest.approx(20, abs=2)
        scene.tune({"chain.holders_per_call": 6000})
        assert await calls_a_tick(scene) == pytest.approx(1, abs=0.2)
    assert scene.crashes() == {}


async def test_as_many_calls_are_under_way_as_calls_in_flight_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {**HUNGRY, "chain.holders_per_call": 2, "chain.calls_in_flight": 2})
    scene.node.latency_secs = (0.2, 0.4)
    async with scene.running():
        for most in (2, 7, 1, 4):
            scene.tune({"chain.calls_in_flight": most})
            await trio.sleep(2)  # those that are under way end
            scene.most_flying = 0
            await trio.sleep(40)
            assert max(1, most - 1) <= scene.most_flying <= most  # one is left to live events, which need not come meanwhile
    assert scene.crashes() == {}


async def test_calls_that_wait_for_a_place_get_one_at_once_where_there_are_more_now(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    scene = Scene(tmp_path, {**HUNGRY, "chain.holders_per_call": 2, "chain.calls_in_flight": 1})
    async with scene.running() as system:
        under_way = system.chains["sim"].hand._flying
        scene.node.latency_secs = (4.0, 5.0)
        await trio.sleep(20)
        assert len(under_way) == 1
        scene.tune({"chain.calls_in_flight": 5})
        await trio.sleep(0.1)
        assert len(under_way) >= 4
        scene.node.latency_secs = (0.005, 0.05)


async def test_wallets_are_read_by_the_rung_that_reads_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {**HUNGRY, "chain.reads": "auto"})
    async with scene.running() as system:
        for reads, rung in (("auto", "packed"), ("multicall3", "multicall3"), ("deployless", "deployless"), ("packed", "packed"), ("auto", "packed")):
            scene.tune({"chain.reads": reads})
            await trio.sleep(6)
            before = trio.current_time()
            await trio.sleep(12)
            used = {rung_of(call.params) for call in scene.asked("eth_call", before)}
            assert used == {rung}
            assert system.chains["sim"].pool.endpoints[0].rungs[0] == rung
    assert scene.crashes() == {}


async def test_a_rung_that_the_node_does_not_serve_is_waited_for_and_nothing_is_lost(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    scene = Scene(tmp_path, HUNGRY)
    scene.node.faults.no_multicall3 = True
    async with scene.running():
        scene.tune({"chain.reads": "multicall3"})
        await trio.sleep(60)
        assert scene.behind() > 20
        scene.tune({"chain.reads": "auto"})
        await trio.sleep(40)
        assert scene.behind() < 10
    assert scene.crashes() == {}


async def test_what_waits_to_be_read_when_holders_per_call_is_lowered_is_parted_first(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    scene = Scene(tmp_path, {**HUNGRY, "chain.holders_per_call": 10, "chain.calls_in_flight": 2})
    async with scene.running() as system:
        hand, scene.block_secs = system.chains["sim"].hand, 10.0  # live events go first
        scene.node.latency_secs = (0.4, 0.5)
        await trio.sleep(10)
        while not hand._pages:  # of ten, which wait for a place
            await trio.sleep(0.1)
        flying, tuned = len(hand._flying), trio.current_time()
        scene.tune({"chain.holders_per_call": 6})
        await trio.sleep(20)
        held = [(len(call.params[0]["data"]) - 2) // 40 for call in scene.asked("eth_call", tuned)]
        assert sum(each > 6 for each in held) <= flying, str(held)
        assert held.count(6) > 3
        scene.node.latency_secs = (0.005, 0.05)
    assert scene.crashes() == {}
