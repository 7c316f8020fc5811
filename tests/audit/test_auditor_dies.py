"""At every await that an audit passes, the auditor is killed, and in another run crashes: what was wrong is mended all the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from actors.evm.http import HttpClient
from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from actors.system import System
from tests.audit.audit_world import evidence, on, spoil, text
from tests.awaits import Awaits
from tests.proxy_world import all_true
from tests.world import World, eventually

_names = itertools.count(1)
WRONG = 2


class Fixed:
    """The fixed run: true rows, two of which were spoiled, and the service with its audit until all are mended."""

    def __init__(self, folder: Path, server: PrivatePostgres, town: Town) -> None:
        self._folder, self._server, self._town = folder, server, town

    def run(self, awaits: Awaits) -> None:
        """One run under the instrument, on a fresh database."""
        name, town = f"audited_{next(_names)}", self._town
        world = World(self._folder, self._server.fresh(name), town, ws=False, chain="poll_interval_secs = 0.2", extra=on(600))
        head = town.block()
        for wallet, balance in town.truths(town.wallets, head).items():
            world.query("INSERT INTO eth_wallet_balances (wallet, balance, read_block) VALUES (%s, %s, %s)", text(wallet), balance, head)
        world.query("INSERT INTO eth_indexer_checkpoints (name, last_block) VALUES ('audio_transfers', %s)", head)
        spoil(world, [text(wallet) for wallet in town.wallets[:WRONG]])
        trio.run(self._story, world, awaits, instruments=[awaits])
        self._server.drop(name)

    async def _story(self, world: World, awaits: Awaits) -> None:
        async with HttpClient() as client:
            system = System(world.config, client)
            stop = trio.Event()
            async with trio.open_nursery() as nursery:

                async def service(*, task_status: trio.TaskStatus[None]) -> None:
                    await system.run([s for s in system.service() if s.name != "sweeper:TOWN"], stop.wait, task_status=task_status)

                awaits.kill_actor = system.kill
                await nursery.start(service)
                await eventually(lambda: _concluded(world) and all_true(world), f"mended rows after {awaits}")
                assert system.book.open_of("audit", "town") == []
                stop.set()


def _concluded(world: World) -> bool:
    return [outcome for *_, outcome in evidence(world)] == ["mended"] * WRONG


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory, postgres_server: PrivatePostgres) -> Iterator[Fixed]:
    with Anvil() as anvil:
        yield Fixed(tmp_path_factory.mktemp("audited"), postgres_server, Town(anvil, wallets=6))


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kill", "step"), [(True, 1), (False, 3)], ids=["killed at each", "crashed at each third"])
def test_an_auditor_may_die_at_any_await(fixed: Fixed, kill: bool, step: int) -> None:
    def which(name: str) -> bool:
        return name.startswith("audit")

    counting = Awaits(which)
    fixed.run(counting)
    assert counting.count > 10
    struck, tried = 0, range(1, counting.count + 1, step)
    for at in tried:
        awaits = Awaits(which, at, kill)
        fixed.run(awaits)
        struck += awaits.struck is not None
    assert struck > len(tried) // 2
