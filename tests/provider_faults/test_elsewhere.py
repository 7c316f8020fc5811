"""Endpoints that answer from elsewhere: another branch, another block, another chain."""

from __future__ import annotations

import math
from functools import partial

import pytest

from actors.errors import ConfigError
from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from actors.system import System
from tests.proxy import Proxy, open_proxy
from tests.proxy_faults import Hold, IgnoresHash, IgnoresTag, OtherChain, OtherNode, Split
from tests.proxy_world import (
    MODES,
    POLLING,
    Behind,
    all_true,
    busy,
    comes_back,
    following,
    mine,
    never_lying,
    reads,
    still_true,
    struck,
    tally,
    twin_of,
)
from tests.world import Mode, eventually, followed, running


@MODES
async def test_a_replica_on_the_orphaned_branch_is_left_and_not_believed(
    behind: Behind, anvil: Anvil, town: Town, mode: Mode
) -> None:
    with twin_of(anvil, town) as (other, lost):
        busy(lost, 2)
        async with open_proxy(anvil, other) as first, open_proxy(anvil) as second:
            world = behind(first, second, **mode)
            async with following(world) as system:
                busy(town, 12)
                await still_true(world)
                with first.fault(OtherNode()) as fault:
                    busy(town)
                    await eventually(struck(fault), "a question to the replica")
                    await still_true(world)
                    await eventually(lambda: on_another_branch(system), "the replica found out")
                assert system.view.chains["town"].branch == 0
                await comes_back(first, world)
                await still_true(world)


def on_another_branch(system: System) -> bool:
    return system.chains["town"].pool.endpoints[0].last_error is not None


@MODES
async def test_a_replica_on_another_branch_of_the_same_height_makes_no_reorg(
    behind: Behind, anvil: Anvil, town: Town, mode: Mode
) -> None:
    with twin_of(anvil, town) as (other, lost):
        busy(lost, 2)
        async with open_proxy(anvil) as first, open_proxy(anvil, other) as second:
            world = behind(first, second, **mode)
            async with following(world) as system:
                busy(town, 12)
                mine(town, 12)
                await still_true(world)
                mine(lost, town.block() - lost.block())
                with second.fault(OtherNode()) as fault:
                    endpoint = system.chains["town"].pool.endpoints[1]
                    await eventually(lambda: "another branch" in (endpoint.last_error or ""), "the replica found out")
                    busy(town)
                    await still_true(world)
                    assert fault.struck
                assert system.view.chains["town"].branch == 0


@MODES
async def test_it_makes_none_either_while_the_better_endpoint_is_left(
    behind: Behind, anvil: Anvil, town: Town, mode: Mode
) -> None:
    with twin_of(anvil, town) as (other, lost):
        busy(lost, 2)
        async with open_proxy(anvil) as first, open_proxy(anvil, other) as second:
            world = behind(first, second, **mode)
            async with following(world) as system:
                busy(town, 12)
                mine(town, 12)
                await still_true(world)
                mine(lost, town.block() - lost.block())
                better, worse = system.chains["town"].pool.endpoints
                better.down_until = math.inf
                with second.fault(OtherNode()):
                    await eventually(lambda: "another branch" in (worse.last_error or ""), "the replica found out")
                    better.down_until = -math.inf
                    busy(town)
                    await still_true(world)
                assert system.view.chains["town"].branch == 0


@MODES
async def test_a_balancer_that_splits_batches_over_a_stale_replica_costs_no_truth(
    behind: Behind, anvil: Anvil, town: Town, mode: Mode
) -> None:
    with twin_of(anvil, town) as (stale, _):
        async with open_proxy(anvil, stale) as proxy:
            world = behind(proxy, **mode)
            async with following(world) as system:
                with proxy.fault(Split()) as fault:
                    busy(town)
                    await eventually(struck(fault, 4), "questions to the replica")
                await still_true(world)
                assert system.view.chains["town"].branch == 0


@pytest.mark.long
async def test_a_balancer_that_splits_batches_over_two_branches_is_outlived(behind: Behind, anvil: Anvil, town: Town) -> None:
    """With nobody else to ask, whatever such a balancer says is a reorg to and fro; the last word counts."""
    with twin_of(anvil, town) as (other, lost):
        busy(lost, 12)
        async with open_proxy(anvil, other) as proxy:
            world = behind(proxy, **POLLING)
            async with running(world, sweep=False):
                await followed(world)
                with proxy.fault(Split()) as fault:
                    busy(town, 12)
                    await eventually(struck(fault, 4), "questions to the other branch")
                busy(town, 12)
                await eventually(lambda: all_true(world), "true balances")
                await still_true(world)


IGNORED: dict[str, type[IgnoresTag]] = {"the tag": IgnoresTag, "the hash": IgnoresHash}


@MODES
@pytest.mark.parametrize("make", list(IGNORED.values()), ids=list(IGNORED))
async def test_a_node_that_ignores_the_block_it_is_asked_for_is_never_believed(
    behind: Behind, town: Town, first: Proxy, second: Proxy, mode: Mode, make: type[IgnoresTag]
) -> None:
    world = behind(first, second, **mode)
    a_read = partial(reads, town)
    async with running(world, sweep=False):
        await followed(world)
        town.transfer(town.wallets[2], town.wallets[3], 5)
        town.mine()
        await still_true(world)
        # The chain moves on under a read's pin, so that the latest block's answer is another one. Only reads are lied to: a question
        # about blocks that found the lie first would leave the first endpoint before it is asked for a read.
        with first.fault(Hold(a_read)) as hold, first.fault(make(wanted=a_read)) as fault:
            async with never_lying(world, strict=True):
                town.transfer(town.wallets[0], town.wallets[1], 5)
                town.mine()
                await eventually(lambda: len(hold.held) > 0, "a read")
                town.transfer(town.wallets[0], town.wallets[1], 5)
                town.mine()
                by_second = tally(second, town)
                hold.let_go()
                await eventually(struck(fault), "the fault")
                await eventually(struck(by_second), "a read from the second endpoint")
                await still_true(world)
        await comes_back(first, world)
        await still_true(world)


@MODES
async def test_a_node_that_takes_a_hash_pin_and_ignores_it_is_read_by_number(
    behind: Behind, town: Town, proxy: Proxy, mode: Mode
) -> None:
    world = behind(proxy, **mode)
    with proxy.fault(IgnoresHash()) as fault:
        async with following(world) as system:
            busy(town)
            await still_true(world)
            assert fault.struck
            assert system.chains["town"].pool.endpoints[0].hash_pins is False


async def test_an_endpoint_on_another_chain_is_left_out(behind: Behind, anvil: Anvil, town: Town) -> None:
    with Anvil(options=["--chain-id", "99"]) as far:
        async with open_proxy(far) as wrong, open_proxy(anvil) as right:
            world = behind(right, wrong, **POLLING)
            swapped = f'"{right.http}", "{wrong.http}"', f'"{wrong.http}", "{right.http}"'
            world.path.write_text(world.path.read_text().replace(*swapped))
            world.reload()
            async with running(world, sweep=False):
                await followed(world)
                busy(town)
                await still_true(world)
            assert set(wrong.asked) == {"eth_chainId"}


async def test_endpoints_that_are_all_on_another_chain_are_the_operators_error(behind: Behind, town: Town, proxy: Proxy) -> None:
    world = behind(proxy, **POLLING)
    with proxy.fault(OtherChain()), pytest.raises(ConfigError, match="chain town: chain_id"):
        async with running(world):
            pass
    assert world.marks() is None


@MODES
async def test_an_endpoint_that_moves_to_another_chain_while_it_is_used_writes_nothing(
    behind: Behind, anvil: Anvil, town: Town, mode: Mode
) -> None:
    with Anvil(options=["--chain-id", "99"]) as far:
        Town(far, wallets=20, seed=5)
        async with open_proxy(anvil, far) as first, open_proxy(anvil) as second:
            world = behind(first, second, **mode)
            async with following(world):
                busy(town)
                await still_true(world)
                with first.fault(OtherNode()) as fault:
                    busy(town)
                    await eventually(struck(fault), "a question to the other chain")
                    await still_true(world)
