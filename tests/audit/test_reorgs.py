"""A run with reorgs, pruning and an audit that never rests: no alarm that the chain itself does not bear out."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from tests.audit.audit_faults import Empty, Latest, Pruned
from tests.audit.audit_world import on, spoil
from tests.audit.test_pruning import checked
from tests.proxy import Proxy
from tests.proxy_world import HEADS, LOGS, Behind, all_true, busy, mine
from tests.world import Mode, World, eventually, followed, running

KEPT = 12
FAST = 30_000_000  # ten looks a second: without a rest they would take the machine from the chain and the service


def fork(anvil: Anvil, town: Town, snapshot: str) -> None:
    """Go back to the snapshot, and take another way from there."""
    anvil.rpc("evm_revert", snapshot)
    for at in range(0, 8, 2):
        town.transfer(town.wallets[at], town.wallets[at + 1], 7)
    town.mine()


def false_alarms(world: World) -> list[str]:
    """Evidence that is none: plain calls find what the row said at that block, while it is on the chain, or not what the audit said.

    Not of such a block: that of a row which anvil answered from the next block's state while it mined, or which was spoiled on purpose.
    """
    false = []
    for wallet, balance, block, value in world.query("SELECT wallet, balance, read_block, chain_balance FROM trueup_audit"):
        truth = world.town.truths([bytes.fromhex(wallet[2:])], block).popitem()[1]
        if truth == balance:
            false.append(f"{wallet} at block {block}: the row said {balance}, and so does the chain; the audit said {value}")
    return false


def many_checked(world: World, checked: int) -> bool:
    return checked > 3 * len(world.rows())


@pytest.mark.long
@pytest.mark.parametrize("mode", [LOGS, HEADS], ids=["logs", "heads"])
@pytest.mark.parametrize("make", [Pruned, Latest, Empty])
async def test_reorgs_and_pruning_raise_no_false_alarm(
    behind: Behind, anvil: Anvil, town: Town, first: Proxy, second: Proxy, mode: Mode, make: type[Pruned]
) -> None:
    world = behind(first, second, **mode, extra=on(FAST))
    with first.fault(make(kept=KEPT)) as fault, second.fault(make(kept=KEPT)):
        await storm(world, anvil, town)
    assert fault.struck


async def storm(world: World, anvil: Anvil, town: Town) -> None:
    """Three reorgs; then a row is spoiled, which is found and mended, so that the audit was at work."""
    async with running(world, sweep=False) as system:
        await followed(world)
        tally = system.view.assets["TOWN"].audit
        for branch in range(1, 4):
            before, checked = anvil.rpc("evm_snapshot"), (tally() or {})["checked"]
            busy(town, 8)
            await eventually(world.is_true, "true rows")
            await eventually(lambda: many_checked(world, (tally() or {})["checked"] - checked), "some rows checked")  # noqa: B023
            fork(anvil, town, before)
            mine(town, 12)
            await eventually(lambda: system.view.chains["town"].branch >= branch, "the reorg seen")  # noqa: B023
            await eventually(lambda: all_true(world), "true balances on the other branch")
        assert false_alarms(world) == []
        busy(town, 4)
        await eventually(world.is_true, "true rows")
        wrong = (tally() or {})["wrong"]
        await eventually(lambda: (tally() or {})["wrong"] > wrong or spoiled_again(world), "a spoiled row found")
        await eventually(lambda: all_true(world), "the spoiled row mended")


def spoiled_again(world: World) -> bool:
    """Spoil a row, again where a late reading has written over it before the audit saw it. False: the audit has not said anything yet."""
    if all_true(world):
        spoil(world, [world.query("SELECT wallet FROM eth_wallet_balances ORDER BY read_block DESC LIMIT 1")[0][0]])
    return False


async def test_an_unseen_reorg_is_no_drift(tmp_path: Path, database_url: str, anvil: Anvil, town: Town) -> None:
    """Rows of blocks that are orphaned while nobody looks: the audit knows of it before the service does."""
    world = World(tmp_path, database_url, town, **LOGS)
    async with running(world, sweep=False):
        await followed(world)
        before = anvil.rpc("evm_snapshot")
        busy(town, 8)
        await eventually(world.is_true, "true rows")
    fork(anvil, town, before)
    mine(town, 12)
    findings = await checked(world)
    assert findings.drifts == []
    assert set(findings.uncheckable.values()) == {"unsettled"}
    assert not all_true(world)
