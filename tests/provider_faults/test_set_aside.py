"""Wallets that fail delay nobody else."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import pytest
import trio

from actors.evm.keccak import keccak
from actors.hand import Hand
from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town, arg
from tests.proxy import Proxy
from tests.proxy_faults import Hold
from tests.proxy_world import MODES, POLLING, mine, place, reads, world_behind
from tests.world import Mode, World, eventually, followed, running


def break_down(anvil: Anvil, town: Town, bad: list[bytes], burners: int) -> None:
    """Let these wallets' reads fail in every way that a contract can; so many of them by burning all gas, which is slow."""
    modes = [6] * burners + [1 + at % 5 for at in range(len(bad) - burners)]
    slots = ["0x" + keccak(bytes(12) + wallet + bytes(32)).hex() for wallet in bad]
    calls = [("anvil_setStorageAt", [town.weird, slot, "0x" + arg(mode)]) for slot, mode in zip(slots, modes, strict=True)]
    for at in range(0, len(calls), 500):
        anvil.batch(calls[at : at + 500])
    mine(town, 4)  # a sweep reads two behind the head


def with_weird(world: World) -> None:
    """One more source, which fails for some wallets and is 7 for the others."""
    weird = f'{{ contract = "{world.town.weird}", call = "balanceOf(address)" }},\n]\ntriggers'
    world.path.write_text(world.path.read_text().replace("]\ntriggers", weird))
    world.reload()


@MODES
async def test_failing_wallets_at_the_head_of_the_queue_delay_live_touches_by_no_more_than_one_call(
    tmp_path: Path, database_url: str, anvil: Anvil, proxy: Proxy, mode: Mode
) -> None:
    town = Town(anvil, wallets=60)
    bad, good = town.wallets[:40], town.wallets[40:]
    break_down(anvil, town, bad, burners=2)
    chain = mode["chain"] + "\ncalls_in_flight = 1"
    world = world_behind(tmp_path, database_url, town, proxy, interval=0.1, batch=40, **{**mode, "chain": chain})
    with_weird(world)
    place(world, bad)
    proxy.add(hold := Hold(partial(reads, town)))  # from the start: the sweep is not to be done before
    async with running(world) as system:
        try:
            hand = system.chains["town"].hand
            await followed(world)
            failing = 0
            for source, target in zip(good[::2], good[1::2], strict=True):
                failing += names(await held_call(hold), bad)
                town.transfer(source, target, 5)
                town.mine()
                await eventually(partial(_has_live, hand, target), "a live touch")
                hold.let_go()
                while not names(data := await held_call(hold), [target]):
                    assert not names(data, bad)  # a closing may have those before it read again, which fail nobody
                    hold.let_go()
                hold.let_go()
            assert failing > 1
        finally:  # also of a failure: a stop would wait for what is held
            proxy.remove(hold)


async def held_call(hold: Hold) -> str:
    """The data of the one call that is held."""
    await eventually(lambda: len(hold.held) == 1, "a call")
    return str(hold.held[0].params[0]["data"])


def names(data: str, wallets: list[bytes]) -> bool:
    """Whether any of the wallets is read by a call."""
    return any(wallet.hex() in data for wallet in wallets)


def _has_live(hand: Hand, wallet: bytes) -> bool:
    """Ready, or behind a flight that the wallet is in."""
    return any(touch.wallet == wallet for touch in (*hand._ready[True].values(), *hand._later.values()))


TICK = re.compile(r"tick complete.* requested=(\d+) updated=(\d+)")


@pytest.mark.parametrize(
    ("wallets", "batch"),
    [(60, 20), pytest.param(400, 100, marks=[pytest.mark.long, pytest.mark.timeout(300)])],
    ids=["60", "400"],
)
async def test_failing_wallets_cost_the_sweep_so_many_ticks_once_and_none_after(
    tmp_path: Path, database_url: str, anvil: Anvil, caplog: pytest.LogCaptureFixture, wallets: int, batch: int
) -> None:
    town = Town(anvil, wallets=wallets + 60)
    bad, good = town.wallets[:wallets], town.wallets[wallets:]
    break_down(anvil, town, bad, burners=6)
    world = World(tmp_path, database_url, town, interval=0.1, batch=batch, **POLLING)
    with_weird(world)
    place(world, bad)
    place(world, good, "1970-01-02")
    with caplog.at_level("INFO"):
        async with running(world) as system:
            swept = partial(_swept, world, good)
            with trio.fail_after(240):
                while not await trio.to_thread.run_sync(swept):
                    await trio.sleep(0.1)
            assert len(world.query("SELECT 1 FROM trueup_set_aside")) == wallets
            ticks = system.view.assets["TOWN"].ticks
            await eventually(lambda: system.view.assets["TOWN"].ticks > ticks + 10, "ten more ticks")
    found = [tuple(map(int, match.groups())) for match in map(TICK.search, caplog.messages) if match]
    assert sum(updated < requested for requested, updated in found) == wallets // batch
    assert all(requested == updated for requested, updated in found[wallets // batch :])
    assert all(world.rows()[wallet][0] == 0 for wallet in bad)


def _swept(world: World, good: list[bytes]) -> bool:
    rows = world.rows()
    return all(rows[wallet][0] for wallet in good)
