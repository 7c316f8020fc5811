"""What systemd hears of a service: ready once it is, alive while every actor makes progress, and that it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import trio
import trio.testing

from actors import notifier, secrets
from actors.child import ChildSpec
from actors.config import SupervisorConfig
from actors.notify import Notify
from actors.progress import effort, waiting_for_others
from actors.sandbox.town import Town
from actors.supervisor import Supervisor
from actors.system import System
from actors.view import ServiceView
from tests.notify_socket import NotifySocket
from tests.world import World

PROGRESS_SECS = 40


class Told(Notify):
    """Keeps what was told, and when."""

    def __init__(self, watchdog_secs: float = 30) -> None:
        super().__init__("/nowhere", watchdog_secs)
        object.__setattr__(self, "said", [])

    said: list[tuple[float, dict[str, str]]]

    def tell(self, **fields: str) -> None:
        self.said.append((trio.current_time(), fields))

    def fed(self) -> list[float]:
        return [at for at, fields in self.said if "WATCHDOG" in fields]


def service(*specs: ChildSpec) -> tuple[System, Supervisor]:
    limits = SupervisorConfig(progress_secs=PROGRESS_SECS)
    supervisor = Supervisor(list(specs), limits)
    fake = SimpleNamespace(supervisor=supervisor, view=ServiceView({}, {}), config=SimpleNamespace(supervisor=limits))
    return cast(System, fake), supervisor


def teller(told: Notify, system: System) -> ChildSpec:
    stop = trio.Event()

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        await notifier.keep_telling(told, system, stop, task_status=task_status)

    return ChildSpec("notifier", run, drain=stop.set)


async def told_by(told: Told, *specs: ChildSpec, secs: float) -> Supervisor:
    """What a service of these actors says in so many seconds, and then stopping."""
    system, _ = service()
    system.supervisor = supervisor = Supervisor([*specs, teller(told, system)], SupervisorConfig(progress_secs=PROGRESS_SECS))
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        with trio.move_on_after(secs):
            await trio.sleep_forever()
        await supervisor.stop(1)
        nursery.cancel_scope.cancel()
    return supervisor


async def idle(*, task_status: trio.TaskStatus[None]) -> None:
    await trio.sleep(7)
    task_status.started()
    await trio.sleep_forever()


async def working_for_others(*, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    with effort(), waiting_for_others():
        await trio.sleep_forever()


async def hangs_and_can_be_killed(*, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    with effort():
        await trio.sleep_forever()


async def hangs_for_good(*, task_status: trio.TaskStatus[None]) -> None:
    task_status.started()
    with effort(), trio.move_on_after(300, shield=True):
        await trio.sleep_forever()


async def test_ready_is_said_once_every_actor_has_started(autojump_clock: trio.testing.MockClock) -> None:
    told = Told()
    await told_by(told, ChildSpec("slow", idle), secs=20)
    assert told.said[0] == (7, {"READY": "1"})


async def test_ready_is_said_again_with_each_state_since_a_readers_full_queue_may_lose_one(autojump_clock: trio.testing.MockClock) -> None:
    told = Told()
    await told_by(told, ChildSpec("others", working_for_others), secs=20)
    assert len(told.said) > 4
    assert all(fields.get("READY") == "1" for _, fields in told.said[:-1])


async def test_the_watchdog_is_fed_three_times_within_its_time(autojump_clock: trio.testing.MockClock) -> None:
    told = Told(watchdog_secs=9)
    await told_by(told, ChildSpec("others", working_for_others), secs=600)
    assert all(later - sooner <= 3 for sooner, later in zip(told.fed(), told.fed()[1:], strict=False))
    assert told.fed()[-1] == 600


async def test_an_actor_that_the_supervisor_kills_and_starts_again_starves_nobody(autojump_clock: trio.testing.MockClock) -> None:
    told = Told()
    supervisor = await told_by(told, ChildSpec("stuck", hangs_and_can_be_killed), secs=600)
    assert supervisor.children["stuck"].restarts > 5
    assert all(later - sooner <= 10 for sooner, later in zip(told.fed(), told.fed()[1:], strict=False))


async def test_an_actor_that_cannot_be_killed_ends_the_feeding_and_is_named(autojump_clock: trio.testing.MockClock) -> None:
    told = Told()
    await told_by(told, ChildSpec("stuck", hangs_for_good), secs=200)
    assert max(at for at in told.fed() if at < 200) <= 1.5 * PROGRESS_SECS
    assert told.said[-2][1] == {"READY": "1", "STATUS": "no progress: stuck"}


async def test_it_comes_back_to_life_with_the_actor(autojump_clock: trio.testing.MockClock) -> None:
    told = Told()
    await told_by(told, ChildSpec("stuck", hangs_for_good), secs=320)
    assert 310 <= told.fed()[-2] <= 320


async def test_stopping_is_said_first_of_all(autojump_clock: trio.testing.MockClock) -> None:
    told = Told()
    await told_by(told, ChildSpec("others", working_for_others), secs=20)
    assert [fields for _, fields in told.said if "STOPPING" in fields] == [told.said[-1][1]]
    assert told.said[-1][0] == 20


def test_the_status_says_why_it_is_not_ready_and_no_secret() -> None:
    system, _ = service()
    system.view.waits_for_store("writer", "cannot reach s3cret-password\nREADY=1")
    secrets.register("s3cret-password")
    try:
        said = notifier.state(system, 0.0)
    finally:
        secrets.clear()
    assert said["STATUS"].startswith("Postgres is unreachable")
    assert "s3cret" not in said["STATUS"]
    assert said["WATCHDOG"] == "1"


def test_where_nobody_reads_there_is_no_such_actor() -> None:
    assert notifier.specs(service()[0], {}) == []


@contextmanager
def running(world: World, reader: NotifySocket) -> Iterator[subprocess.Popen[str]]:
    env = {**os.environ, "NOTIFY_SOCKET": reader.name, "WATCHDOG_USEC": "1000000"}
    command = [sys.executable, "-m", "actors", "run", "-c", str(world.path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("abstract", [False, True])
def test_a_real_run_says_ready_then_lives_then_says_that_it_stops(tmp_path: Path, database_url: str, town: Town, abstract: bool) -> None:
    world = World(tmp_path, database_url, town)
    with NotifySocket(abstract) as reader, running(world, reader) as process:
        reader.wait_for(lambda message: message.get("STATUS") == "all true")
        assert next(message for message in reader.messages) == {"READY": "1"}
        assert sum("WATCHDOG" in message for message in reader.messages)
        process.send_signal(signal.SIGTERM)
        reader.wait_for(lambda message: "STOPPING" in message)
        assert process.wait(60) == 0


def test_a_run_that_is_refused_never_says_ready(tmp_path: Path, database_url: str, town: Town) -> None:
    world = World(tmp_path, database_url, town)
    world.query("DROP TABLE eth_wallet_balances")
    with NotifySocket() as reader, running(world, reader) as process:
        assert process.wait(60) == 2
        assert reader.read() == []
