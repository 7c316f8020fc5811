"""It stops, crashes, hangs up or freezes, and comes back."""

from __future__ import annotations

import signal
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from tests.postgres_world import (
    BRANCH,
    CHECKPOINT,
    OURS,
    admin,
    backends,
    busy,
    following,
    frozen,
    locked,
    says,
    start_again,
    true_and_ready,
    waits_for_a_lock,
)
from tests.world import LOGS, MODES, Mode, World, eventually, running


@MODES
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], ids=["fast stop", "immediate stop", "kill"])
async def test_postgres_may_go_in_the_middle_of_a_transaction_and_come_back(
    tmp_path: Path, town: Town, mode: Mode, number: int
) -> None:
    with PrivatePostgres() as server:
        world = World(tmp_path, server.fresh("faults"), town, **mode)
        async with following(world) as system:
            with locked(world.database, CHECKPOINT):
                busy(town)
                await eventually(lambda: waits_for_a_lock(world.database), "a transaction that cannot go on")
                server.stop(number)
            busy(town)
            await says(system, "Postgres is unreachable", "database:")
            start_again(server)
            await true_and_ready(world, system)


def hang_up(url: str) -> set[int]:
    """End every backend of the service; their process ids."""
    return {pid for pid, _ in admin(url, f"SELECT pid, pg_terminate_backend(pid) {OURS}")}


def reconnected(url: str, gone: set[int]) -> bool:
    return bool(backends(url) - gone)


@MODES
async def test_connections_may_be_dropped_again_and_again_under_traffic(
    tmp_path: Path, database_url: str, town: Town, mode: Mode
) -> None:
    world = World(tmp_path, database_url, town, **mode)
    async with following(world) as system:
        for _ in range(30):
            busy(town, 5)
            gone = hang_up(database_url)
            await eventually(partial(reconnected, database_url, gone), "a new connection")
        await true_and_ready(world, system)


@pytest.mark.long
async def test_connections_may_be_dropped_in_the_middle_of_every_transaction(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    world = World(tmp_path, database_url, town, **LOGS)
    async with following(world) as system:
        for lock in (CHECKPOINT, "LOCK eth_wallet_balances IN EXCLUSIVE MODE", BRANCH) * 3:
            with locked(database_url, lock):
                busy(town, 5)
                await eventually(lambda: waits_for_a_lock(database_url), "a transaction that cannot go on")
                hang_up(database_url)
                await says(system, "Postgres is unreachable", "terminating connection")
        await true_and_ready(world, system)


@pytest.mark.long
@MODES
async def test_postgres_may_freeze_and_wake(tmp_path: Path, town: Town, mode: Mode) -> None:
    with PrivatePostgres() as server:
        world = World(tmp_path, server.fresh("faults"), town, **mode)
        async with following(world) as system:
            busy(town)
            await eventually(world.is_true, "true rows")
            with frozen(server):
                busy(town)
                await says(system, "has not closed for")
            await true_and_ready(world, system)


@pytest.mark.long
async def test_a_stop_while_postgres_is_frozen_ends_and_loses_nothing(tmp_path: Path, town: Town) -> None:
    with PrivatePostgres() as server, ExitStack() as frost:
        world = World(tmp_path, server.fresh("faults"), town, **LOGS)
        async with following(world):
            frost.enter_context(frozen(server))
            busy(town)
        frost.close()
        async with running(world, sweep=False) as system:
            await true_and_ready(world, system)
