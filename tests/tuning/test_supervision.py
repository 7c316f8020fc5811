"""The supervisor's limits and chaos, changed while actors die."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from actors.child import ChildSpec
from actors.progress import effort
from actors.system import System
from tests.tuning.scene import Scene

NEVER = 3000  # seconds, of virtual time


class Victim:
    """An actor that crashes when it is told to. `began`: when its incarnations did."""

    def __init__(self, system: System) -> None:
        self._system, self._die = system, trio.Event()
        self.began: list[float] = []

    async def enter(self) -> None:
        """Become one of the system's actors."""
        await self._system.supervisor.add(ChildSpec("victim", self._run), after="writer")

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        self._die = trio.Event()
        self.began.append(trio.current_time())
        task_status.started()
        await self._die.wait()
        raise RuntimeError("told to")

    async def crash(self, times: int = 1, every_secs: float = 0.5) -> None:
        """Crash so often, and begin anew each time."""
        for _ in range(times):
            self._die.set()
            await trio.sleep(every_secs)


async def test_more_crashes_are_borne_where_max_restarts_is_higher_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {"supervisor.max_restarts": 3, "supervisor.within_secs": 600, "supervisor.backoff_max_secs": 0.2})
    async with scene.running() as system:
        victim = Victim(system)
        await victim.enter()
        await victim.crash(3)
        scene.tune({"supervisor.max_restarts": 1000})  # one more would have been the end
        await victim.crash(30)
    assert scene.crashes() == {"victim": 33}


async def test_fewer_crashes_are_borne_where_max_restarts_is_lower_now_and_the_next_start_loses_nothing(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    scene = Scene(tmp_path, {"supervisor.backoff_max_secs": 0.2})
    ended = await _gave_up(scene)
    assert "gives up after too many crashes" in ended
    async with scene.running():  # what was unfinished is read
        await trio.sleep(20)


async def _gave_up(scene: Scene) -> str:
    try:
        async with scene.running() as system:
            victim = Victim(system)
            await victim.enter()
            await victim.crash(10)
            scene.tune({"supervisor.max_restarts": 12})
            await victim.crash(2)
            await victim.crash(1)
            await trio.sleep(5)
    except BaseExceptionGroup as group:
        return str(group.exceptions[0])
    return "went on"


async def test_crashes_are_counted_over_as_long_as_within_secs_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {"supervisor.max_restarts": 3, "supervisor.within_secs": 600, "supervisor.backoff_max_secs": 0.2})
    async with scene.running() as system:
        victim = Victim(system)
        await victim.enter()
        await victim.crash(3, every_secs=2)
        scene.tune({"supervisor.within_secs": 4})
        await victim.crash(20, every_secs=2)
    assert scene.crashes() == {"victim": 23}


async def test_an_actor_waits_before_it_starts_again_for_as_long_as_the_backoff_says_now(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    scene = Scene(tmp_path, {"supervisor.backoff_initial_secs": 40, "supervisor.backoff_max_secs": 400})
    async with scene.running() as system:
        victim = Victim(system)
        await victim.enter()
        await victim.crash(1, every_secs=10)
        assert len(victim.began) == 1
        scene.tune({"supervisor.backoff_initial_secs": 3, "supervisor.backoff_max_secs": 12})  # the pause that has begun is shorter, too
        await trio.sleep(3)
        assert len(victim.began) == 2
        for delay in (3, 6, 12, 12):
            died = trio.current_time()
            await victim.crash(1, every_secs=delay + 1)
            assert victim.began[-1] - died == delay
        scene.tune({"supervisor.backoff_initial_secs": 1, "supervisor.backoff_max_secs": 60})
        for delay in (1, 2, 4, 8, 16):
            died = trio.current_time()
            await victim.crash(1, every_secs=delay + 1)
            assert victim.began[-1] - died == delay
    assert scene.crashes() == {"victim": 10}


async def test_a_clean_stop_takes_as_long_as_grace_secs_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """Calls that are under way at the stop have half of it."""
    for grace in (3, 12):
        scene = Scene(tmp_path, {"supervisor.grace_secs": 100, "sweeper.interval_secs": 1})
        assert await _stop(scene, grace) == pytest.approx(grace / 2, abs=0.2)
        scene.node.latency_secs = (0.005, 0.05)
        async with scene.running():  # what was not read by then is read now
            await trio.sleep(20)


async def _stop(scene: Scene, grace: float) -> float:
    with trio.CancelScope() as left:
        async with scene.running() as system:
            scene.tune({"supervisor.grace_secs": grace})
            scene.node.latency_secs = (8.0, 9.0)
            await trio.sleep(2)
            assert scene.flying
            began = trio.current_time()
            scene.stop.set()
            while system.supervisor.children["batcher:sim"].state != "stopped":
                await trio.sleep(0.1)
            took = trio.current_time() - began
            await trio.sleep(grace)
            left.cancel()
    return took


async def test_an_actor_without_progress_is_killed_after_as_long_as_progress_secs_says_now(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    scene = Scene(tmp_path, {"supervisor.progress_secs": NEVER})
    began: list[float] = []

    async def stuck(*, task_status: trio.TaskStatus[None]) -> None:
        began.append(trio.current_time())
        task_status.started()
        with effort():
            await trio.sleep_forever()

    async with scene.running() as system:
        await system.supervisor.add(ChildSpec("stuck", stuck), after="writer")
        await trio.sleep(100)
        assert len(began) == 1
        scene.tune({"supervisor.progress_secs": 20})
        await trio.sleep(6)
        assert len(began) == 2
        await trio.sleep(100)
        assert 4 <= len(began) <= 6
        scene.tune({"supervisor.progress_secs": NEVER})
        count = len(began)
        await trio.sleep(100)
        assert len(began) == count
    assert set(scene.crashes()) == {"stuck"}


async def test_chaos_kills_as_often_as_kill_every_secs_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {"chaos.enabled": True, "chaos.token": "0therchaostoken", "chaos.kill_every_secs": NEVER})
    async with scene.running() as system:
        await trio.sleep(100)
        assert len(system.view.restarts) == 0
        scene.tune({"chaos.kill_every_secs": 5})
        await trio.sleep(61)
        assert 11 <= len(system.view.restarts) <= 13
        scene.tune({"chaos.kill_every_secs": NEVER})
        kills = len(system.view.restarts)
        await trio.sleep(100)
        assert len(system.view.restarts) == kills
    assert scene.crashes() == {}
