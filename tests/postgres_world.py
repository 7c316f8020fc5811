"""What the operator and other programs do to the service's Postgres, and what the service says of it meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from typing import Any

import psycopg
import trio

from actors.errors import TrueupError
from actors.health import readiness
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from actors.system import System
from tests.world import PATIENCE_SECS, World, eventually, followed, running

CHECKPOINT = "SELECT 1 FROM eth_indexer_checkpoints FOR UPDATE"
ROWS = "SELECT 1 FROM eth_wallet_balances FOR UPDATE"
BRANCH = "SELECT 1 FROM trueup_chains FOR UPDATE"
LOCKS = [ROWS, CHECKPOINT, BRANCH]
OURS = "FROM pg_stat_activity WHERE application_name = 'trueup' AND datname = current_database() AND pid <> pg_backend_pid()"
POOLED = OURS.replace("'trueup'", "'pooled'")


def admin(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Statements of the operator, each by itself; the last one's rows."""
    with psycopg.connect(url, autocommit=True) as conn:
        found = [conn.execute(statement.encode()) for statement in statements]
        return found[-1].fetchall() if found[-1].description else []


def reasons(system: System) -> list[str]:
    """What `/readyz` says is wrong; asked from a thread, as `eventually` does."""
    return trio.from_thread.run_sync(lambda: readiness(system.view, trio.current_time())[1])


async def says(system: System, *words: str) -> None:
    """`/readyz` gives a reason with these words in it."""
    await eventually(lambda: any(all(w in reason for w in words) for reason in reasons(system)), f"a reason with {words}")


async def true_and_ready(world: World, system: System) -> None:
    """Everything touched is in the rows, `/readyz` has nothing to say, and no actor had to be started again."""
    await eventually(world.is_true, "true rows")
    await eventually(lambda: not reasons(system), "readiness")
    assert restarts(system) == {}


def restarts(system: System) -> dict[str, int]:
    return {name: child.restarts for name, child in system.supervisor.children.items() if child.restarts}


@asynccontextmanager
async def following(world: World, sweep: bool = False) -> AsyncIterator[System]:
    """The service, once it follows."""
    async with running(world, sweep) as system:
        await followed(world)
        yield system


def busy(town: Town, count: int = 10) -> None:
    """Traffic that is mined when this returns."""
    town.traffic(count)
    town.mine()


@contextmanager
def locked(url: str, *statements: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else's open transaction, rolled back in the end."""
    with closing(psycopg.connect(url)) as conn:
        for statement in statements:
            conn.execute(statement.encode())
        yield conn


def waits_for_a_lock(url: str, whose: str = OURS) -> bool:
    """Whether the service is in the middle of a transaction and cannot go on."""
    return bool(admin(url, f"SELECT 1 {whose} AND wait_event_type = 'Lock'"))


def holder(wallet: bytes) -> str:
    return f"SELECT 1 FROM eth_wallet_balances WHERE wallet = '0x{wallet.hex()}' FOR UPDATE"


async def with_a_row_each(world: World) -> None:
    """Rows of all wallets, true as they stand."""
    wallets = ["0x" + wallet.hex() for wallet in world.town.wallets]
    world.query("INSERT INTO eth_wallet_balances (wallet) SELECT unnest(%s::text[])", wallets)
    touch_all(world.town)
    await eventually(world.is_true, "true rows of all wallets")


def touch_all(town: Town) -> None:
    for source, target in zip(town.wallets[::2], town.wallets[1::2], strict=True):
        town.transfer(source, target, 3)
    town.mine()


def backends(url: str) -> set[int]:
    return {pid for (pid,) in admin(url, f"SELECT pid {OURS}")}


def start_again(server: PrivatePostgres) -> None:
    """Start it after a stop or a crash: it refuses for as long as the last backends of the one before hold its memory."""
    deadline = time.monotonic() + PATIENCE_SECS
    while True:
        try:
            return server.start()
        except TrueupError:
            server.stop()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def processes(server: PrivatePostgres) -> list[int]:
    """The postmaster first, then its children."""
    assert server._process is not None
    children = admin(server.url("postgres"), "SELECT pid FROM pg_stat_activity")
    return [server._process.pid, *(pid for (pid,) in children)]


def signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # the backend that was asked is gone
            os.kill(pid, number)


@contextmanager
def frozen(server: PrivatePostgres) -> Iterator[None]:
    pids = processes(server)
    signal_all(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(pids, signal.SIGCONT)
