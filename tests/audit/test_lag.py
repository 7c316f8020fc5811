"""Endpoints that are far behind say nothing of rows that are ahead of them: such a row may be right."""

from __future__ import annotations

import pytest

from actors.audit.panel import Panel
from actors.evm.http import HttpClient
from actors.ports import ChainPorts
from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from actors.store import audit
from actors.system import System
from tests.audit.audit_world import text, wallets
from tests.audit.test_pruning import checked
from tests.evm.fake_node import header_of
from tests.proxy import Proxy
from tests.proxy_faults import HangUp, Lag
from tests.proxy_world import LOGS, Behind, still_true
from tests.world import World, followed, running

FAR = 1281


def fill(world: World, anvil: Anvil) -> int:
    """True rows of the head, of which nothing else in the tables speaks; which block that is."""
    anvil.rpc("anvil_mine", hex(FAR + 20))
    head = world.town.block()
    for wallet, balance in world.town.truths(world.town.wallets, head).items():
        world.query("INSERT INTO eth_wallet_balances (wallet, balance, read_block) VALUES (%s, %s, %s)", text(wallet), balance, head)
    return head


async def test_an_endpoint_far_behind_is_not_believed_while_another_one_fails(behind: Behind, anvil: Anvil, first: Proxy, second: Proxy) -> None:
    world = behind(first, second, **LOGS)
    fill(world, anvil)
    with first.fault(HangUp()), second.fault(Lag(FAR)) as lag:
        findings = await checked(world)
    assert lag.struck
    assert (findings.drifts, set(findings.uncheckable.values())) == ([], {"unsettled"})


async def test_an_endpoint_far_behind_is_not_believed_while_another_one_was_left(behind: Behind, anvil: Anvil, first: Proxy, second: Proxy) -> None:
    def leave(ports: ChainPorts) -> None:
        ports.pool.endpoints[0].down_until = float("inf")

    world = behind(first, second, **LOGS)
    fill(world, anvil)
    with second.fault(Lag(FAR)):
        findings = await checked(world, leave)
    assert (findings.drifts, set(findings.uncheckable.values())) == ([], {"unsettled"})


async def test_an_endpoint_far_behind_a_head_that_was_seen_is_not_believed(behind: Behind, anvil: Anvil, proxy: Proxy) -> None:
    world = behind(proxy, **LOGS)
    head = fill(world, anvil)
    with proxy.fault(Lag(FAR)):
        assert {drift.newest for drift in (await checked(world)).drifts} == {head - FAR}, "nothing else speaks of such a block"
        findings = await checked(world, lambda ports: ports.saw_head(header_of(head)))
    assert (findings.drifts, set(findings.uncheckable.values())) == ([], {"unsettled"})


@pytest.mark.parametrize("lost", ["trueup_blocks", "eth_indexer_checkpoints"])
async def test_the_only_endpoint_restored_from_an_old_snapshot_makes_no_row_wrong(behind: Behind, anvil: Anvil, proxy: Proxy, lost: str) -> None:
    """What was ever read or closed tells, also after a restart."""
    world = behind(proxy, **LOGS)
    anvil.rpc("anvil_mine", hex(FAR + 20))
    async with running(world, sweep=False):
        await followed(world)
        world.town.traffic(8)
        world.town.mine()
        await still_true(world)
    assert world.rows()
    world.query(f"DELETE FROM {lost}")
    with proxy.fault(Lag(FAR)):
        findings = await checked(world)
    assert (findings.drifts, set(findings.uncheckable.values())) == ([], {"unsettled"})


async def test_a_block_that_every_endpoint_is_far_below_is_ahead_of_all_that_is_known(behind: Behind, first: Proxy, second: Proxy, town: Town) -> None:
    world = behind(first, second, **LOGS)
    world.query("INSERT INTO eth_wallet_balances (wallet, read_block) SELECT unnest(%s::text[]), 2000000000", wallets(2))
    with first.fault(Lag(1)):
        findings = await checked(world)
    assert [(drift.newest, drift.chain_balance) for drift in findings.drifts] == [(town.block(), None)] * 2


async def test_a_checkpoint_of_another_program_counts_as_known(behind: Behind, proxy: Proxy) -> None:
    world = behind(proxy, **LOGS)
    world.query("INSERT INTO eth_indexer_checkpoints (name, last_block) VALUES ('audio_transfers', 70000)")
    async with HttpClient() as client:
        ports = System(world.config, client).chains["town"]
        now = await ports.store.patiently(audit.look_again, world.config.assets[0], [], [], ["audio_transfers"])
        assert (now.newest, Panel(ports, "TOWN").gone_to()) == (70000, -1)
        await ports.store.database.aclose()
