"""How a chain is followed, changed while it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from tests.tuning.scene import Scene

NEVER = 3000  # seconds, of virtual time


def closings(scene: Scene, since: float) -> int:
    """How often the chain was asked for logs."""
    return len(scene.asked("eth_getLogs", since))


def reconnects(scene: Scene) -> float:
    return scene.system.metrics.reconnects.labels("sim")._value.get()  # type: ignore[no-any-return]


async def test_heads_close_each_block_from_the_change_on_and_logs_wait_for_the_timer_again(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    scene = Scene(tmp_path, {"chain.follow": "logs", "chain.confirm_secs": 600})
    async with scene.running():
        await trio.sleep(60)
        assert scene.behind() > 20
        for follow, kinds, close in (("heads", ["newHeads"], True), ("logs", ["logs"], False), ("heads", ["newHeads"], True)):
            before, sessions = trio.current_time(), reconnects(scene)
            scene.tune({"chain.follow": follow})
            await trio.sleep(5)
            assert scene.subscribed(before) == kinds
            await trio.sleep(25)
            assert (scene.behind() < 4) == close
            assert reconnects(scene) == sessions + 1  # none of them was taken for one that lies
            assert scene.system.view.chains["sim"].connected
    assert scene.crashes() == {}


async def test_a_session_on_a_quiet_chain_is_left_at_once_for_one_that_follows_otherwise(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    scene = Scene(tmp_path, {"chain.stall_secs": NEVER})
    async with scene.running() as system:
        scene.busy = False  # nothing is pushed any more
        await trio.sleep(10)
        for follow, kinds in (("heads", ["newHeads"]), ("logs", ["logs"])):
            before = trio.current_time()
            scene.tune({"chain.follow": follow})
            await trio.sleep(1)
            assert scene.subscribed(before) == kinds
        assert system.view.chains["sim"].socket_error is None


@pytest.mark.parametrize(("key", "secs", "sockets"), [("confirm_secs", 3, 1), ("poll_interval_secs", 2, 0)])
async def test_a_shorter_time_is_noticed_by_a_timer_that_has_begun(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, key: str, secs: int, sockets: int
) -> None:
    scene = Scene(tmp_path, {f"chain.{key}": NEVER}, sockets=sockets)
    async with scene.running() as system:
        await trio.sleep(100)
        assert scene.behind() > 20
        scene.tune({f"chain.{key}": secs})
        assert system.view.assets["SIM"].closes_every_secs == secs
        await trio.sleep(2)
        assert scene.behind() < 4
        for _ in range(20):
            await trio.sleep(secs)
            assert scene.behind() < 8
    assert scene.crashes() == {}


async def test_a_longer_confirm_secs_puts_off_a_closing_that_was_due_sooner(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {"chain.confirm_secs": 10})
    async with scene.running():
        await trio.sleep(35)
        scene.tune({"chain.confirm_secs": 100})
        await trio.sleep(5)
        before = trio.current_time()
        await trio.sleep(50)
        assert closings(scene, before) == 0
        await trio.sleep(60)
        assert closings(scene, before) > 0


async def test_a_shorter_stall_secs_finds_a_socket_that_is_silent_already(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {"chain.follow": "heads", "chain.stall_secs": NEVER, "chain.confirm_secs": 20})
    async with scene.running() as system:
        scene.node.faults.ws_silent = True
        await trio.sleep(60)
        assert reconnects(scene) == 0
        scene.tune({"chain.stall_secs": 30})
        await trio.sleep(1)
        assert reconnects(scene) == 1
        assert "silent" in (system.view.chains["sim"].socket_error or "")
        scene.node.faults.ws_silent = False
    assert scene.crashes() == {}


async def test_no_more_blocks_are_asked_for_at_once_than_max_log_blocks_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {"chain.confirm_secs": 30, "chain.max_log_blocks": 8})
    async with scene.running():
        for most in (8, 3, 20):
            scene.tune({"chain.max_log_blocks": most})
            before = trio.current_time()
            await trio.sleep(95)
            assert max(widths(scene, before)) == most
    assert scene.crashes() == {}


def widths(scene: Scene, since: float) -> list[int]:
    """How many blocks each question for logs was about."""
    asked = [call.params[0] for call in scene.asked("eth_getLogs", since)]
    return [int(one["toBlock"], 16) - int(one["fromBlock"], 16) + 1 for one in asked if "fromBlock" in one]
