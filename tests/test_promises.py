"""What always holds, through the real system on a real chain and a real Postgres."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import trio
import trio.testing

from actors.child import Child
from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town, arg, selector
from actors.system import System
from tests.world import LOGS, MODES, POLLING, Mode, World, eventually, reorg_seen, running

PLACEHOLDER = "INSERT INTO eth_wallet_balances (wallet, updated_at) VALUES (%s, '1970-01-01')"


def place(world: World, wallets: list[bytes]) -> None:
    for wallet in wallets:
        world.query(PLACEHOLDER, "0x" + wallet.hex())


def requests(system: System, method: str) -> float:
    """How many requests of that method there were, of whatever endpoint."""
    found = system.metrics.registry.collect()
    samples = [sample for metric in found for sample in metric.samples if sample.name == "trueup_requests_total"]
    return sum(sample.value for sample in samples if sample.labels["method"] == method)


async def ticked(system: System, wanted: int = 1) -> None:
    await eventually(lambda: system.view.assets["TOWN"].ticks >= wanted, f"tick {wanted}")


async def test_a_tick_of_200_wallets_costs_one_call(tmp_path: Path, database_url: str, anvil: Anvil) -> None:
    town = Town(anvil, wallets=251)
    world = World(tmp_path, database_url, town, interval=1000, batch=200, **POLLING)
    place(world, town.wallets[:1])
    async with running(world) as system:
        await ticked(system)  # the first read probes the endpoint, too
        for count, share in ((50, town.wallets[1:51]), (200, town.wallets[51:])):
            before = requests(system, "eth_call")
            place(world, share)
            world.query("UPDATE eth_wallet_balances SET updated_at = now() + '1 day' WHERE updated_at > '1971-01-01'")
            ticks = system.view.assets["TOWN"].ticks
            system.kill("sweeper:TOWN")
            await ticked(system, ticks + 1)
            tick = system.view.assets["TOWN"]
            assert tick.tick_requested >= count
            assert requests(system, "eth_call") - before == -(-tick.tick_requested // 200)
    truth = town.truths(town.wallets, town.block())
    assert {wallet: balance for wallet, (balance, _) in world.rows().items()} == truth


async def test_a_sweep_never_sets_blocknumber(tmp_path: Path, database_url: str, town: Town) -> None:
    world = World(tmp_path, database_url, town, interval=0.1, **POLLING)
    place(world, town.wallets)
    async with running(world):
        await eventually(lambda: all(balance for balance, _ in world.rows().values()), "a whole sweep")
    assert {block for _, block in world.rows().values()} == {None}


async def test_a_sweeper_that_dies_leaves_the_subscribers_socket_as_it_was(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    world = World(tmp_path, database_url, town, interval=1000, chain="confirm_secs = 1000\npoll_interval_secs = 1000")
    async with running(world) as system:
        ports = system.chains["town"]
        # One for the boot, two for the probe, one for the closing at the start, and one for the closing that the session wakes.
        await eventually(lambda: ports.view.connected and requests(system, "eth_getBlockByNumber") == 5, "a session and a closing")
        before = requests(system, "eth_getLogs"), requests(system, "eth_getBlockByNumber")
        reconnects = _reconnects(system)
        children: dict[str, Child] = system.supervisor.children
        for kills in range(1, 11):
            system.kill("sweeper:TOWN")
            await eventually(partial(_restarted, children["sweeper:TOWN"], kills), f"restart {kills}")
        assert children["subscriber:town"].restarts == 0
        assert (requests(system, "eth_getLogs"), requests(system, "eth_getBlockByNumber")) == before
        assert _reconnects(system) == reconnects
        assert ports.view.connected


def _restarted(child: Child, times: int) -> bool:
    return child.restarts == times


def _reconnects(system: System) -> float:
    return float(system.metrics.reconnects.labels("town")._value.get())


@MODES
async def test_a_reorg_heals_rows_and_checkpoint(
    tmp_path: Path, database_url: str, town: Town, anvil: Anvil, mode: Mode
) -> None:
    before = anvil.rpc("evm_snapshot")
    world = World(tmp_path, database_url, town, **mode)
    async with running(world) as system:
        await eventually(lambda: world.marks() is not None, "the first checkpoint")
        town.transfer(town.wallets[0], town.wallets[1], 1000)
        town.mine()
        await eventually(world.is_true, "true rows on the first branch")
        anvil.rpc("evm_revert", before)
        for _ in range(4):
            town.mine()
        town.transfer(town.wallets[2], town.wallets[3], 7)
        town.mine()
        await eventually(reorg_seen(system, town), "the reorg seen")
        await eventually(lambda: _all_true(world), "true rows on the other branch")
        await eventually(world.is_true, "true blocks on the other branch")


def _all_true(world: World) -> bool:
    rows = world.rows()
    return {w: b for w, (b, _) in rows.items()} == world.town.truths(list(rows), world.town.block())


async def test_a_reorg_while_the_process_was_down_heals(tmp_path: Path, database_url: str, town: Town, anvil: Anvil) -> None:
    world = World(tmp_path, database_url, town, **POLLING)
    before = anvil.rpc("evm_snapshot")
    async with running(world):
        await eventually(lambda: world.marks() is not None, "the first checkpoint")
        town.transfer(town.wallets[0], town.wallets[1], 1000)
        town.mine()
        await eventually(world.is_true, "true rows on the first branch")
    anvil.rpc("evm_revert", before)
    for _ in range(5):
        town.mine()
    async with running(world):
        await eventually(lambda: _all_true(world), "true rows on the other branch")
        await eventually(lambda: (world.marks() or (0,))[0] >= town.block(), "the checkpoint at the head")


async def test_wallets_that_fail_in_every_way_are_set_aside_and_starve_nobody(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    bad = town.wallets[:6]
    for mode, wallet in enumerate(bad, start=1):
        town.send(town.weird, selector("setMode(address,uint8)") + arg(wallet) + arg(mode))
    town.mine()
    for _ in range(3):
        town.mine()  # a sweep reads two behind the head
    weird = f'{{ contract = "{town.weird}", call = "balanceOf(address)" }},\n]\ntriggers'
    world = World(tmp_path, database_url, town, interval=0.1, **POLLING)
    text = world.path.read_text().replace("]\ntriggers", weird)
    world.path.write_text(text)
    world.reload()
    place(world, town.wallets)
    async with running(world):
        good = town.wallets[6:]
        await eventually(lambda: all(world.rows()[w][0] > 0 for w in good), "the good wallets' rows")
        town.transfer(town.wallets[7], town.wallets[8], 5)
        town.transfer(town.wallets[1], town.wallets[9], 5)
        town.mine()
        truth = town.truths(good, town.block())
        await eventually(lambda: all(world.rows()[w][0] == truth[w] + 7 for w in good), "live touches among them")
        await eventually(lambda: len(_aside(world)) == 6, "all six set aside")
        await eventually(lambda: (world.marks() or (0,))[0] >= town.block(), "the checkpoint passes them")
    assert {wallet for wallet, _ in _aside(world)} == {"0x" + w.hex() for w in bad}
    assert all(world.rows()[w][0] == 0 for w in bad)


def _aside(world: World) -> list[tuple[Any, ...]]:
    return world.query("SELECT row_key, error FROM trueup_set_aside")


async def test_a_stop_while_postgres_is_down_is_clean_and_loses_nothing(tmp_path: Path, town: Town) -> None:
    with PrivatePostgres() as postgres:
        world = World(tmp_path, postgres.fresh("down"), town, **POLLING)
        async with running(world):
            await eventually(lambda: world.marks() is not None, "the first checkpoint")
            postgres.stop()
            town.traffic(20)
            town.mine()
        postgres.start()
        async with running(world):
            await eventually(world.is_true, "what happened meanwhile")


async def test_postgres_may_come_and_go(tmp_path: Path, town: Town) -> None:
    with PrivatePostgres() as postgres:
        world = World(tmp_path, postgres.fresh("restarted"), town, **POLLING)
        async with running(world) as system:
            await eventually(lambda: world.marks() is not None, "the first checkpoint")
            postgres.stop()
            town.traffic(20)
            town.mine()
            await eventually(lambda: not system.view.store_ok, "the outage noticed")
            postgres.start()
            await eventually(world.is_true, "true rows")
            assert all(child.restarts == 0 for child in system.supervisor.children.values())


async def test_only_rows_that_exist_are_kept_under_track_table(tmp_path: Path, database_url: str, town: Town) -> None:
    world = World(tmp_path, database_url, town, asset='track = "table"', **POLLING)
    place(world, town.wallets[:1])
    async with running(world):
        await eventually(lambda: world.marks() is not None, "the first checkpoint")
        town.transfer(town.wallets[0], town.wallets[1], 5)
        town.mine()
        await eventually(lambda: world.rows()[town.wallets[0]][1] is not None, "the tracked wallet")
        await eventually(lambda: (world.marks() or (0,))[0] >= town.block(), "the closing")
    assert set(world.rows()) == {town.wallets[0]}


async def test_the_node_may_freeze_and_wake(tmp_path: Path, database_url: str, town: Town, anvil: Anvil) -> None:
    import signal

    world = World(tmp_path, database_url, town, **LOGS)
    async with running(world):
        await eventually(lambda: world.marks() is not None, "the first checkpoint")
        town.traffic(10)
        anvil.send_signal(signal.SIGSTOP)
        await trio.testing.wait_all_tasks_blocked()
        anvil.send_signal(signal.SIGCONT)
        await eventually(world.is_true, "true rows")
