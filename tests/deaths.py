"""A fixed run of the service, made once for each await of an actor: there it is killed, or crashes, and the run comes out the same."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import psycopg
import trio

from actors.config import Config
from actors.evm.http import HttpClient
from actors.system import System
from tests.awaits import Awaits
from tests.postgres_world import OURS

END_OURS = f"SELECT pg_terminate_backend(pid, 10000) {OURS}"
TABLES = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"


def empty(url: str) -> None:
    """Leave the tables as `trueup init` made them: a database of its own for each of hundreds of runs takes a quarter of their time.

    The service's connections that are still there are ended first: what a killed actor sent last may be on its way.
    """
    with psycopg.connect(url) as conn:
        conn.execute(END_OURS.encode())
        conn.execute("SET session_replication_role = replica")  # foreign keys ask for no order
        for (table,) in conn.execute(TABLES.encode()).fetchall():
            conn.execute(f"DELETE FROM {table}".encode())


@asynccontextmanager
async def mortal(config: Config, awaits: Awaits, without: str = "") -> AsyncIterator[System]:
    """The service under the instrument, less the actor of a name, stopped cleanly at the end."""
    async with HttpClient() as client:
        system = System(config, client)
        stop = trio.Event()
        specs = [spec for spec in system.service() if spec.name != without]
        async with trio.open_nursery() as nursery:

            async def service(*, task_status: trio.TaskStatus[None]) -> None:
                await system.run(specs, stop.wait, task_status=task_status)

            awaits.kill_actor = system.kill
            await nursery.start(service)
            yield system
            stop.set()


def counted(run: Callable[[Awaits], None], which: Callable[[str], bool]) -> int:
    """The awaits of a run in which nobody dies."""
    awaits = Awaits(which)
    run(awaits)
    return awaits.count


def die_at_each(run: Callable[[Awaits], None], kind: str, kill: bool, first: int = 1, step: int = 1) -> None:
    """Two runs to count the awaits of the actors whose names begin with `kind`, and one for each `step`th of them from `first` on."""

    def which(name: str) -> bool:
        return name.startswith(kind)

    count = min(counted(run, which) for _ in range(2))  # the first run, cold, may have many more than those that follow
    assert count > 10
    struck, tried = 0, range(first, count + 1, step)
    for at in tried:
        awaits = Awaits(which, at, kill)
        run(awaits)
        struck += awaits.struck is not None
    assert struck > len(tried) // 2
