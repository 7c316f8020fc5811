"""Somebody else holds a lock."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from actors.sandbox.town import Town
from actors.store import postgres
from actors.system import System
from tests.postgres_world import (
    BRANCH,
    CHECKPOINT,
    LOCKS,
    ROWS,
    admin,
    busy,
    following,
    holder,
    locked,
    says,
    true_and_ready,
    waits_for_a_lock,
    with_a_row_each,
)
from tests.world import HEADS, LOGS, POLLING, World, eventually


async def ticked(system: System, times: int) -> None:
    """So many further ticks."""
    before = system.view.assets["TOWN"].ticks
    await eventually(lambda: system.view.assets["TOWN"].ticks >= before + times, f"{times} ticks")


async def passed_over(world: World, system: System, *wallets: bytes) -> None:
    """The sweep does not come to these rows any more: they are of the future, also after the ticks that were on their way."""
    ours = ["0x" + wallet.hex() for wallet in wallets]
    future = "SELECT count(*) FROM eth_wallet_balances WHERE wallet = ANY(%s) AND updated_at = '2100-01-01'"
    while world.query(future, ours) != [(len(ours),)]:
        world.query("UPDATE eth_wallet_balances SET updated_at = '2100-01-01' WHERE wallet = ANY(%s)", ours)
        await ticked(system, 2)


async def test_while_somebody_locks_a_touched_row_the_sweep_goes_on_and_then_everything(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    world = World(tmp_path, database_url, town, interval=0.1, batch=2, **HEADS)
    async with following(world, sweep=True) as system:
        await with_a_row_each(world)
        wallet, other = town.wallets[:2]
        await passed_over(world, system, wallet, other)
        with locked(database_url, holder(wallet)):
            town.transfer(wallet, other, 5)
            town.mine()
            await eventually(lambda: waits_for_a_lock(database_url), "the writer at the lock")
            await ticked(system, 5)
            busy(town)
            assert waits_for_a_lock(database_url)
        await true_and_ready(world, system)


async def test_while_somebody_locks_a_row_that_the_sweep_wants_live_touches_go_on(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    world = World(tmp_path, database_url, town, interval=0.1, batch=5, **LOGS)
    wallet = bytes.fromhex("00000000000000000000000000000000000000aa")
    async with following(world, sweep=True) as system:
        world.query("INSERT INTO eth_wallet_balances (wallet, updated_at) VALUES (%s, '1970-01-01')", "0x" + wallet.hex())
        with locked(database_url, holder(wallet)):
            await eventually(lambda: waits_for_a_lock(database_url), "the sweep's writer at the lock")
            for _ in range(3):
                busy(town)
                await eventually(world.is_true, "true rows of all that is touched")
            assert waits_for_a_lock(database_url)
        await ticked(system, 2)
        await true_and_ready(world, system)


async def test_while_somebody_locks_the_checkpoint_the_sweep_goes_on_and_then_everything(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    world = World(tmp_path, database_url, town, interval=0.1, batch=2, **HEADS)
    async with following(world, sweep=True) as system:
        await with_a_row_each(world)
        wallet, other = town.wallets[:2]
        await passed_over(world, system, wallet, other)
        with locked(database_url, CHECKPOINT):
            town.transfer(wallet, other, 5)
            town.mine()
            await eventually(lambda: waits_for_a_lock(database_url), "the writer at the lock")
            await ticked(system, 5)
            busy(town)
        await true_and_ready(world, system)


@pytest.mark.parametrize("timeout", ["lock_timeout", "statement_timeout"])
@pytest.mark.parametrize("lock", LOCKS, ids=["holder", "checkpoint", "branch"])
async def test_a_lock_that_outlasts_a_timeout_is_said_and_waited_for_again(
    tmp_path: Path, database_url: str, town: Town, lock: str, timeout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In place of the minute that the service gives its statements, and of the endless wait for a lock.
    monkeypatch.setattr(postgres, "SESSION", f"SET {timeout} = '100ms'")
    world = World(tmp_path, database_url, town, **LOGS)
    async with following(world) as system:
        await with_a_row_each(world)
        with locked(database_url, lock):
            busy(town)
            await says(system, "Postgres", timeout.replace("_", " "))
            busy(town)
        await true_and_ready(world, system)


async def test_a_deadlock_with_another_program_costs_nothing_but_the_next_attempt(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    # The service looks for a deadlock, the other program never does: so it is the service that is given up. It looks once, so long after it
    # began to wait: by then the other one, whatever holds it up, must wait too.
    admin(database_url, f"ALTER DATABASE {database_url.rpartition('/')[2]} SET deadlock_timeout = '5s'")
    world = World(tmp_path, database_url, town, **POLLING)
    async with following(world) as system:
        await with_a_row_each(world)
        with locked(database_url, "SET deadlock_timeout = '1h'", ROWS) as other:
            busy(town)
            await eventually(lambda: waits_for_a_lock(database_url), "the writer, its branch locked, at the rows")
            await trio.to_thread.run_sync(other.execute, BRANCH)
            await says(system, "deadlock detected")
            other.commit()
        await true_and_ready(world, system)
