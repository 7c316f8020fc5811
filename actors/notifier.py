"""The notifier: tells systemd that the service is ready, how it fares, and, while every actor makes progress, that it lives.

It starts last, so that its own start is the service's readiness, and stops first. The watchdog is fed while the supervisor can still mend
what goes wrong: an actor that stalls is killed and started again, which takes up to a quarter longer than `supervisor.progress_secs`, and
after a freeze of the whole process another quarter. One
that is stuck for half as long again is beyond that, and so is an event loop that does not get here: then the feeding ends, and systemd
starts the process again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import trio

from actors import health, notify
from actors.child import Child, ChildSpec
from actors.notify import Notify
from actors.secrets import mask
from actors.system import System

NAME = "notifier"
STATUS_EVERY_SECS = 5.0
FEEDS = 3  # within the time that the watchdog gives
BEYOND_HELP = 1.5  # in `progress_secs`
TOLD_REASONS = 3


def specs(system: System, env: Mapping[str, str]) -> list[ChildSpec]:
    """The actor, where somebody reads what it says."""
    told = notify.of(env)
    if told.address is None:
        return []
    stop = trio.Event()

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        await keep_telling(told, system, stop, task_status=task_status)

    return [ChildSpec(NAME, run, drain=stop.set)]


async def keep_telling(told: Notify, system: System, stop: trio.Event, *, task_status: trio.TaskStatus[None]) -> None:
    """Until `stop`."""
    every = min(STATUS_EVERY_SECS, (told.watchdog_secs or STATUS_EVERY_SECS) / FEEDS)
    told.tell(READY="1")
    task_status.started()
    while not stop.is_set():
        told.tell(**state(system, trio.current_time()))
        with trio.move_on_after(every):
            await stop.wait()
    told.tell(STOPPING="1", WATCHDOG="1", STATUS="stops")


def state(system: System, now: float) -> dict[str, str]:
    """What is told now; without `WATCHDOG` while an actor is stuck. `READY` each time: a reader whose queue is full loses one."""
    if names := stuck(system.supervisor.children.values(), now, system.config.supervisor.progress_secs):
        return {"READY": "1", "STATUS": f"no progress: {', '.join(names)}"}
    ready, reasons = health.readiness(system.view, now)
    return {"READY": "1", "WATCHDOG": "1", "STATUS": "all true" if ready else mask("; ".join(reasons[:TOLD_REASONS]))}


def stuck(children: Iterable[Child], now: float, progress_secs: float) -> list[str]:
    """The actors that hold work, make no progress, and that the supervisor's own watchdog did not mend."""
    return [child.spec.name for child in children if now - child.efforts.oldest_beat() > BEYOND_HELP * progress_secs]
