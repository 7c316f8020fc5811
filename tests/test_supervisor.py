"""The supervisor behaves as OTP's one-for-one, under virtual time."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

from actors.child import ChildSpec
from actors.config import SupervisorConfig
from actors.progress import beat, effort, waiting_for_others
from actors.supervisor import GaveUp, Supervisor


class Actor:
    """An actor that notes its births and deaths, and crashes when told to."""

    def __init__(self, name: str, record: list[str]) -> None:
        self.name, self.record = name, record
        self.born = 0
        self.crash = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        self.born += 1
        self.record.append(f"{self.name} starts")
        task_status.started()
        try:
            await self.crash.wait()
        finally:
            self.record.append(f"{self.name} ends")
        self.crash = trio.Event()
        raise ValueError("boom")


async def test_children_start_in_order_and_stop_in_reverse(nursery: trio.Nursery) -> None:
    record: list[str] = []
    actors = [Actor(name, record) for name in "abc"]
    supervisor = Supervisor([ChildSpec(a.name, a.run) for a in actors], SupervisorConfig())
    await nursery.start(supervisor.run)
    assert record == ["a starts", "b starts", "c starts"]
    await supervisor.stop(10)
    assert record[3:] == ["c ends", "b ends", "a ends"]


async def test_a_crash_restarts_its_child_after_the_backoff_and_leaves_siblings_alone(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    record: list[str] = []
    one, two = Actor("one", record), Actor("two", record)
    supervisor = Supervisor([ChildSpec("one", one.run), ChildSpec("two", two.run)], SupervisorConfig())
    await nursery.start(supervisor.run)
    began = trio.current_time()
    one.crash.set()
    while one.born < 2:
        await trio.sleep(0.01)
    assert trio.current_time() - began == pytest.approx(0.1, abs=0.011)
    assert two.born == 1
    assert supervisor.children["one"].last_error == "ValueError: boom"
    assert supervisor.children["one"].restarts == 1
    await supervisor.stop(1)


async def test_a_kill_restarts_at_once_and_is_not_counted(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    actor = Actor("one", [])
    causes: list[tuple[str, str]] = []
    supervisor = Supervisor([ChildSpec("one", actor.run)], SupervisorConfig(max_restarts=0), lambda *what: causes.append(what))
    await nursery.start(supervisor.run)
    began = trio.current_time()
    for born in range(2, 30):
        assert supervisor.kill("one")
        await trio.testing.wait_all_tasks_blocked()
        assert actor.born == born
    assert trio.current_time() == began
    assert set(causes) == {("one", "kill")}
    await supervisor.stop(1)


async def test_a_kill_cuts_a_backoff_short(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    actor = Actor("one", [])
    supervisor = Supervisor([ChildSpec("one", actor.run)], SupervisorConfig(backoff_initial_secs=100, backoff_max_secs=100))
    await nursery.start(supervisor.run)
    actor.crash.set()
    await trio.testing.wait_all_tasks_blocked()
    began = trio.current_time()
    assert supervisor.kill("one")
    await trio.testing.wait_all_tasks_blocked()
    assert (actor.born, trio.current_time()) == (2, began)
    await supervisor.stop(1)


def test_one_crash_too_many_gives_up(autojump_clock: trio.testing.MockClock) -> None:
    async def crash(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.lowlevel.checkpoint()
        raise ValueError("again")

    async def main() -> None:
        with pytest.raises(GaveUp, match="ValueError: again"):
            await Supervisor([ChildSpec("one", crash)], SupervisorConfig(max_restarts=3)).run()

    trio.run(main, clock=autojump_clock)


async def test_a_first_start_that_fails_is_the_boots_failure() -> None:
    async def refuse(*, task_status: trio.TaskStatus[None]) -> None:
        raise OSError("port is taken")

    with pytest.RaisesGroup(pytest.RaisesExc(OSError, match="port is taken"), flatten_subgroups=True):
        await Supervisor([ChildSpec("server", refuse)], SupervisorConfig()).run()


async def test_a_transient_child_that_returns_is_not_restarted() -> None:
    births: list[int] = []

    async def once(*, task_status: trio.TaskStatus[None]) -> None:
        births.append(1)
        task_status.started()
        await trio.lowlevel.checkpoint()

    await Supervisor([ChildSpec("job", once, restart="transient")], SupervisorConfig()).run()
    assert births == [1]


async def test_a_crash_inside_an_actors_own_nursery_is_a_crash_like_any_other(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    births: list[int] = []

    async def grouped(*, task_status: trio.TaskStatus[None]) -> None:
        births.append(1)
        async with trio.open_nursery() as inner:
            inner.start_soon(trio.sleep_forever)
            task_status.started()
            await trio.lowlevel.checkpoint()
            if len(births) == 1:
                raise KeyError("inside")

    supervisor = Supervisor([ChildSpec("one", grouped)], SupervisorConfig())
    await nursery.start(supervisor.run)
    while len(births) < 2:
        await trio.sleep(0.01)
    assert supervisor.children["one"].last_error == "KeyError: 'inside'"
    await supervisor.stop(1)


async def test_stop_asks_a_child_that_can_drain_and_waits_for_it(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    record: list[Any] = []
    asked = trio.Event()

    async def drain(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await asked.wait()
        await trio.sleep(3)
        record.append("drained")

    supervisor = Supervisor([ChildSpec("one", drain, drain=asked.set)], SupervisorConfig())
    await nursery.start(supervisor.run)
    await supervisor.stop(10)
    assert record == ["drained"]


async def test_stop_cancels_what_drains_longer_than_the_grace(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    supervisor = Supervisor([ChildSpec("one", _never_ends, drain=lambda: None)], SupervisorConfig())
    await nursery.start(supervisor.run)
    began = trio.current_time()
    await supervisor.stop(5)
    assert trio.current_time() - began == pytest.approx(5)
    assert supervisor.children["one"].state == "stopped"


async def _never_ends(*, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    await trio.sleep_forever()


async def test_an_actor_that_holds_work_and_makes_no_progress_is_killed_and_counted(autojump_clock: trio.testing.MockClock) -> None:
    record: list[str] = []

    async def stuck(*, task_status: trio.TaskStatus[None]) -> None:
        record.append(f"starts at {trio.current_time():.0f}")
        task_status.started()
        with effort():
            await trio.sleep_forever()

    supervisor = Supervisor([ChildSpec("stuck", stuck)], SupervisorConfig(progress_secs=40), lambda name, cause: record.append(cause))
    with trio.move_on_after(70):
        await supervisor.run()
    child = supervisor.children["stuck"]
    assert record == ["starts at 0", "stall", "starts at 50"]
    assert child.last_error == "Stalled: held work and made no progress for 50 s"


async def test_retries_waits_for_others_and_idleness_are_no_stall(autojump_clock: trio.testing.MockClock) -> None:
    async def patient(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        with effort():
            for _ in range(10):
                beat()
                await trio.sleep(39)
            with waiting_for_others():
                await trio.sleep(1000)
        await trio.sleep(1000)

    supervisor = Supervisor([ChildSpec("patient", patient, restart="transient")], SupervisorConfig(progress_secs=40))
    await supervisor.run()
    assert supervisor.children["patient"].restarts == 0


@pytest.mark.parametrize(("well", "stalls"), [(True, 0), (False, 1)], ids=["who tries again is left alone", "who is stuck is not"])
async def test_after_a_freeze_of_the_whole_process_everybody_has_a_moment(
    autojump_clock: trio.testing.MockClock, well: bool, stalls: int
) -> None:
    async def retries(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        with effort():
            while True:
                beat()
                await trio.sleep(1 if well or trio.current_time() < 100 else 1000)
                for _ in range(20):  # to hear that the answer was too late takes a few steps
                    await trio.lowlevel.checkpoint()

    causes: list[str] = []
    supervisor = Supervisor([ChildSpec("retries", retries)], SupervisorConfig(progress_secs=40), lambda name, cause: causes.append(cause))
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await trio.sleep(60.5)
        autojump_clock.jump(200)
        await trio.sleep(55)
        nursery.cancel_scope.cancel()
    assert causes == ["stall"] * stalls


async def test_a_loop_that_is_late_at_each_look_is_no_excuse_for_who_is_stuck(autojump_clock: trio.testing.MockClock) -> None:
    async def stuck(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        with effort():
            await trio.sleep_forever()

    causes: list[str] = []
    supervisor = Supervisor([ChildSpec("stuck", stuck)], SupervisorConfig(progress_secs=40), lambda name, cause: causes.append(cause))
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        for _ in range(4):
            autojump_clock.jump(30)
            await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert causes == ["stall"]


async def test_a_child_that_is_added_later_stops_before_the_one_that_it_comes_after(nursery: trio.Nursery) -> None:
    record: list[str] = []
    one, two, late = Actor("one", record), Actor("two", record), Actor("late", record)
    supervisor = Supervisor([ChildSpec(a.name, a.run) for a in (one, two)], SupervisorConfig())
    await nursery.start(supervisor.run)
    await supervisor.add(ChildSpec("late", late.run), after="one")
    await supervisor.add(ChildSpec("late", late.run), after="one")
    assert late.born == 1
    assert supervisor.kill("late")
    await trio.testing.wait_all_tasks_blocked()
    assert late.born == 2
    await supervisor.stop(10)
    assert record[-3:] == ["two ends", "late ends", "one ends"]
    await supervisor.add(ChildSpec("late", late.run), after="one")
    assert late.born == 2


async def test_a_child_that_is_removed_ends_alone_and_may_come_back(nursery: trio.Nursery) -> None:
    one, late = Actor("one", []), Actor("late", [])
    supervisor = Supervisor([ChildSpec("one", one.run)], SupervisorConfig())
    await nursery.start(supervisor.run)
    await supervisor.add(ChildSpec("late", late.run), after="one")
    await supervisor.remove("late", 1)
    await supervisor.remove("late", 1)
    assert list(supervisor.children) == ["one"]
    await supervisor.add(ChildSpec("late", late.run), after="one")
    assert (one.born, late.born) == (1, 2)
    await supervisor.stop(10)


async def test_a_crash_loop_shows_its_traceback_once_and_counts_the_rest(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    born = 0

    async def crash(*, task_status: trio.TaskStatus[None]) -> None:
        nonlocal born
        born += 1
        task_status.started()
        await trio.sleep(1)
        raise ValueError(f"boom {born}")

    supervisor = Supervisor([ChildSpec("one", crash)], SupervisorConfig(max_restarts=100))
    await nursery.start(supervisor.run)
    await trio.sleep(20)
    await supervisor.stop(1)
    crashes = [record for record in caplog.records if "crashed" in record.getMessage()]
    assert len(crashes) == supervisor.children["one"].restarts > 3
    assert [record.exc_info is not None for record in crashes] == [True] + [False] * (len(crashes) - 1)
    said = [record.getMessage() for record in crashes]
    assert 'child=one cause=crash in_secs=0.1 reason="ValueError: boom 1" times=1' in said[0]
    assert "the same as before child=one" in said[1]
    assert said[2].endswith('reason="ValueError: boom 3" times=3')
