"""Chaos: kills a random actor every so often, itself included, when the config asks for it."""

from __future__ import annotations

import random
from collections.abc import Callable

import trio

from actors.log import get_logger
from actors.supervisor import Supervisor
from actors.timers import Timers

log = get_logger("chaos")


async def run(
    supervisor: Supervisor, timers: Timers, every_secs: Callable[[], float], random_source: random.Random, *, task_status: trio.TaskStatus[None]
) -> None:
    """Kill for ever, every so often. The server is spared nothing either: it comes back on the same port."""
    task_status.started()
    while True:
        await timers.sleep(every_secs)
        name = random_source.choice([name for name, child in supervisor.children.items() if not child.stopping])
        log.info("kills", actor=name)
        supervisor.kill(name)
