"""Chaos: kills a random actor every so often, itself included, when the config asks for it."""

from __future__ import annotations

import random

import trio

from actors.log import get_logger
from actors.supervisor import Supervisor

log = get_logger("chaos")


async def run(
    supervisor: Supervisor, every_secs: float, random_source: random.Random, *, task_status: trio.TaskStatus[None]
) -> None:
    """Kill for ever. The server is spared nothing either: it comes back on the same port."""
    task_status.started()
    while True:
        await trio.sleep(every_secs)
        name = random_source.choice([name for name, child in supervisor.children.items() if not child.stopping])
        log.info("kills", actor=name)
        supervisor.kill(name)
