"""Reorgs, and logs that are taken back."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from tests.proxy import Proxy
from tests.proxy_faults import Removals
from tests.proxy_world import LOGS, MODES, Behind, all_true, busy, connected, following, mine, still_true
from tests.world import Mode, World, eventually, followed, reorg_seen, running


async def healed(world: World) -> None:
    await eventually(lambda: all_true(world), "true balances on the other branch")
    await still_true(world)


def fork(anvil: Anvil, town: Town, snapshot: str) -> None:
    """Go back to the snapshot, and take another way from there."""
    anvil.rpc("evm_revert", snapshot)
    town.transfer(town.wallets[2], town.wallets[3], 7)
    town.mine()


@MODES
async def test_a_reorg_to_a_longer_branch_heals(tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: Mode) -> None:
    world = World(tmp_path, database_url, town, **mode)
    async with running(world, sweep=False) as system:
        await followed(world)
        before = anvil.rpc("evm_snapshot")
        busy(town, 4)
        await still_true(world)
        fork(anvil, town, before)
        mine(town, 8)
        await eventually(reorg_seen(system, town), "the reorg seen")
        await healed(world)


@pytest.mark.long
@MODES
async def test_a_reorg_to_a_shorter_branch_heals_when_that_has_grown(
    behind: Behind, anvil: Anvil, town: Town, proxy: Proxy, mode: Mode
) -> None:
    world = behind(proxy, **mode)
    async with running(world, sweep=False) as system:
        await followed(world)
        before = anvil.rpc("evm_snapshot")
        busy(town, 10)
        mine(town, 3)
        await still_true(world)
        fork(anvil, town, before)
        seen = proxy.asked["eth_getBlockByNumber"]
        await eventually(lambda: proxy.asked["eth_getBlockByNumber"] > seen + 3, "some looks at the shorter branch")
        mine(town, 16)
        await eventually(reorg_seen(system, town), "the reorg seen")
        await healed(world)


async def test_logs_that_are_taken_back_heal(behind: Behind, anvil: Anvil, town: Town, proxy: Proxy) -> None:
    world = behind(proxy, **LOGS)
    with proxy.fault(Removals()) as removals:
        async with running(world, sweep=False) as system:
            await followed(world)
            await connected(system)
            before, at = anvil.rpc("evm_snapshot"), town.block()
            busy(town, 4)
            await still_true(world)
            await eventually(lambda: bool(removals.passed_on(at)), "pushed logs")  # a closing may have come before them
            fork(anvil, town, before)
            await removals.take_back(at)
            mine(town, 8)
            assert removals.struck
            await eventually(reorg_seen(system, town), "the reorg seen")
            await healed(world)


async def test_logs_that_are_taken_back_without_a_reorg_change_nothing(behind: Behind, town: Town, proxy: Proxy) -> None:
    world = behind(proxy, **LOGS)
    with proxy.fault(Removals()) as removals:
        async with following(world) as system:
            await connected(system)
            busy(town)
            await still_true(world)
            await eventually(lambda: bool(removals.passed_on(0)), "pushed logs")
            await removals.take_back(0)
            assert removals.struck
            busy(town)
            await still_true(world)
            assert system.view.chains["town"].branch == 0


@MODES
async def test_a_reorg_deeper_than_what_is_remembered_makes_every_row_true(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: Mode
) -> None:
    before = anvil.rpc("evm_snapshot")
    mine(town, 5)
    world = World(tmp_path, database_url, town, **mode)
    async with running(world, sweep=False) as system:
        await followed(world)
        busy(town)
        await still_true(world)
        fork(anvil, town, before)
        mine(town, 25)
        await eventually(reorg_seen(system, town), "the reorg seen")
        await eventually(lambda: all_true(world), "true balances")
        busy(town)
        await eventually(lambda: all_true(world), "true balances")
        await eventually(lambda: (world.marks() or (0,))[0] >= town.block(), "the checkpoint at the head")


@MODES
async def test_a_reorg_while_the_process_is_down_heals(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: Mode
) -> None:
    world = World(tmp_path, database_url, town, **mode)
    async with running(world, sweep=False):
        await followed(world)
        before = anvil.rpc("evm_snapshot")
        busy(town, 4)
        await still_true(world)
    fork(anvil, town, before)
    busy(town, 4)
    mine(town, 8)
    async with running(world, sweep=False):
        await healed(world)
