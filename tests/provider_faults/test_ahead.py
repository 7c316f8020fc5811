"""What a block's closing will want is read while Postgres says how the rows stand, at no call more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio

from actors import ahead
from actors.evm import pool
from actors.sandbox.town import Town
from actors.system import System
from tests.postgres_world import locked, touch_all, waits_for_a_lock
from tests.proxy import Answer, Ask, Call, Fault, Proxy
from tests.proxy_faults import Hold, refusal
from tests.proxy_world import Behind, connected, following, place, reads, still_true, struck
from tests.world import World, eventually

HEADS_ALONE = 'confirm_secs = 600\nfollow = "heads"\n'
ROWS = "LOCK TABLE eth_wallet_balances IN ACCESS EXCLUSIVE MODE"


class Reads(Fault):
    """Which wallets are read, at which blocks; a fault where it `fails` them, in words that nobody knows."""

    def __init__(self, town: Town, fails: bool = False) -> None:
        super().__init__()
        self._town, self._fails = town, fails
        self.blocks: list[str] = []
        self.wallets: set[str] = set()

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        if not reads(self._town, call) or call.params[0]["data"] == "0x":
            return await ask(call)
        self.strike()
        named: Any = call.params[0]["data"][2:]
        self.wallets |= {named[at : at + 40] for at in range(0, len(named), 40)}
        self.blocks.append(str(call.params[1]))
        return refusal(-32603, "internal error") if self._fails else await ask(call)


@asynccontextmanager
async def reading_ahead(world: World) -> AsyncIterator[System]:
    """The service, once a pushed head has been closed whose wallets all had rows to be read."""
    async with following(world) as system:
        await connected(system)
        for _ in range(2):  # the session's own closing may take the first
            touch_all(world.town)
            await still_true(world)
        yield system


@pytest.mark.parametrize("calls", [1, 4])
async def test_a_blocks_wallets_are_read_while_postgres_is_asked_for_their_rows_and_in_one_call(
    behind: Behind, town: Town, proxy: Proxy, calls: int
) -> None:
    world = behind(proxy, chain=HEADS_ALONE + f"calls_in_flight = {calls}")
    async with reading_ahead(world):
        with proxy.fault(Reads(town)) as asked:
            with locked(world.database, ROWS):
                touch_all(town)
                await eventually(lambda: asked.struck > 0 and waits_for_a_lock(world.database), "the read, and the look-up at the lock")
            await still_true(world)
        assert len(asked.blocks) == len(set(asked.blocks))


async def test_blocks_whose_wallets_have_no_rows_are_not_read_ahead(behind: Behind, town: Town, proxy: Proxy) -> None:
    world = behind(proxy, chain=HEADS_ALONE, asset='track = "table"')
    rows = town.wallets[:2]
    place(world, rows, "2100-01-01")
    asked = Reads(town)
    async with following(world) as system:
        await connected(system)
        with proxy.fault(asked):
            for _ in range(3):
                with town.by_hand():  # one block: a first one that has the two rows alone would have the next one's read ahead
                    touch_all(town)
                    town.settle()
                truths = town.truths(rows, town.block())
                await eventually(lambda: {w: b for w, (b, _) in world.rows().items()} == truths, "true rows")  # noqa: B023  # within the turn
    assert asked.wallets == {wallet.hex() for wallet in rows}


async def test_what_fails_ahead_is_the_first_failure_of_its_batch_which_asks_the_other_endpoint(
    behind: Behind, town: Town, first: Proxy, second: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "DOWN_SECS", (60.0, 60.0))  # a busy machine is not to come back to it for the same block
    monkeypatch.setattr(ahead, "FRESH_FAULT_SECS", 60.0)
    world = behind(first, second, chain=HEADS_ALONE)
    async with reading_ahead(world):
        with first.fault(Reads(town, fails=True)) as failed, second.fault(Reads(town)) as answered:
            touch_all(town)
            await still_true(world)
        assert answered.struck > 0
        assert len(failed.blocks) == len(set(failed.blocks))


@pytest.mark.parametrize("actor", ["batcher", "subscriber", "writer"])
async def test_an_actor_that_is_killed_while_a_block_is_read_ahead_loses_nothing(
    behind: Behind, town: Town, proxy: Proxy, actor: str
) -> None:
    world = behind(proxy, chain=HEADS_ALONE)
    async with reading_ahead(world) as system:
        with proxy.fault(Hold(wanted=partial(reads, town))) as hold:
            touch_all(town)
            await eventually(struck(hold), "the read")
            killed = actor if actor == "writer" else f"{actor}:town"
            assert system.kill(killed)
            await trio.lowlevel.checkpoint()
        await still_true(world)
        touch_all(town)
        await still_true(world)
