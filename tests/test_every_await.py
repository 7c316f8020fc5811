"""At every await that a fixed run of the service passes, an actor is killed, and in another run crashes: the rows come out the same."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.evm.http import HttpClient
from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from actors.system import System
from tests.awaits import Awaits
from tests.world import World, eventually

KINDS = ("subscriber", "batcher", "writer", "sweeper")
_names = itertools.count(1)


class Fixed:
    """The fixed run: down while some things happen, up, then some more things happen; the rows are judged at the end."""

    def __init__(self, folder: Path, server: PrivatePostgres, town: Town, anvil: Anvil) -> None:
        self._folder, self._server, self._town, self._anvil = folder, server, town, anvil
        self._snapshot = anvil.rpc("evm_snapshot")

    def run(self, awaits: Awaits, **mode: Any) -> None:
        """One run under the instrument, on the chain's first state and a fresh database."""
        self._anvil.rpc("evm_revert", self._snapshot)
        self._snapshot = self._anvil.rpc("evm_snapshot")
        name = f"fixed_{next(_names)}"
        world = World(self._folder, self._server.fresh(name), self._town, **mode)
        world.query("INSERT INTO eth_wallet_balances (wallet, updated_at) VALUES (%s, '1970-01-01')", "0x" + "ab" * 20)
        world.query("INSERT INTO eth_indexer_checkpoints (name, last_block) VALUES ('audio_transfers', %s)", self._town.block())
        self._town.transfer(self._town.wallets[0], self._town.wallets[1], 1)
        trio.run(self._story, world, awaits, instruments=[awaits])
        self._server.drop(name)

    async def _story(self, world: World, awaits: Awaits) -> None:
        async with HttpClient() as client:
            system = System(world.config, client)
            stop = trio.Event()
            async with trio.open_nursery() as nursery:

                async def service(*, task_status: trio.TaskStatus[None]) -> None:
                    await system.run(system.service(), stop.wait, task_status=task_status)

                awaits.kill_actor = system.kill
                await nursery.start(service)
                await eventually(world.is_true, f"truth after {awaits}")
                self._town.stake(self._town.wallets[2], 5)
                self._town.delegate(self._town.wallets[3], self._town.wallets[0], 6)
                await eventually(world.is_true, f"truth after {awaits}")
                await eventually(lambda: _swept(world), f"the sweep after {awaits}")
                stop.set()


def _swept(world: World) -> bool:
    return world.query("SELECT count(*) FROM eth_wallet_balances WHERE updated_at < '1971-01-01'") == [(0,)]


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory, postgres_server: PrivatePostgres) -> Any:
    with Anvil() as anvil:
        yield Fixed(tmp_path_factory.mktemp("fixed"), postgres_server, Town(anvil, wallets=6), anvil)


MODE = {"interval": 0.2, "chain": "confirm_secs = 0.2"}


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kill", [True, False], ids=["killed", "crashed"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_actor_may_die_at_any_await(fixed: Fixed, kind: str, kill: bool) -> None:
    def which(name: str) -> bool:
        return name.startswith(kind)

    counting = Awaits(which)
    fixed.run(counting, **MODE)
    assert counting.count > 10
    struck = 0
    for at in range(1, counting.count + 1):
        awaits = Awaits(which, at, kill)
        fixed.run(awaits, **MODE)
        struck += awaits.struck is not None
    assert struck > counting.count // 2
