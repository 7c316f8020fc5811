"""At every await that an audit passes, the auditor is killed, and in another run crashes: what was wrong is mended all the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from tests.audit.audit_world import evidence, on, spoil, text
from tests.awaits import Awaits
from tests.deaths import die_at_each, empty, mortal
from tests.proxy_world import all_true
from tests.world import World, eventually

WRONG = 2
FAST = 15_000_000  # five looks a second: what a first look missed is not waited for


class Fixed:
    """The fixed run: true rows, two of which were spoiled, and the service with its audit until all are mended."""

    def __init__(self, folder: Path, database: str, town: Town) -> None:
        self._world = World(folder, database, town, ws=False, chain="poll_interval_secs = 0.2", extra=on(FAST))
        self._town = town

    def run(self, awaits: Awaits) -> None:
        """One run under the instrument, on empty tables."""
        world, town, head = self._world, self._town, self._town.block()
        empty(world.database)
        for wallet, balance in town.truths(town.wallets, head).items():
            world.query("INSERT INTO eth_wallet_balances (wallet, balance, read_block) VALUES (%s, %s, %s)", text(wallet), balance, head)
        world.query("INSERT INTO eth_indexer_checkpoints (name, last_block) VALUES ('audio_transfers', %s)", head)
        spoil(world, [text(wallet) for wallet in town.wallets[:WRONG]])
        trio.run(self._story, awaits, instruments=[awaits])

    async def _story(self, awaits: Awaits) -> None:
        async with mortal(self._world.config, awaits, without="sweeper:TOWN") as system:
            await eventually(lambda: self._concluded() and all_true(self._world), f"mended rows after {awaits}")
            assert system.book.open_of("audit", "town") == []

    def _concluded(self) -> bool:
        return [outcome for *_, outcome in evidence(self._world)] == ["mended"] * WRONG


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory, postgres_server: PrivatePostgres) -> Iterator[Fixed]:
    with Anvil() as anvil:
        yield Fixed(tmp_path_factory.mktemp("audited"), postgres_server.fresh("auditor_dies"), Town(anvil, wallets=6))
    postgres_server.drop("auditor_dies")


# Killed at each await, crashed at each third; the workers share them.
CASES = {"killed at each, 1 of 2": (True, 1, 2), "killed at each, 2 of 2": (True, 2, 2), "crashed at each third": (False, 1, 3)}


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("kill", "first", "step"), CASES.values(), ids=list(CASES))
def test_an_auditor_may_die_at_any_await(fixed: Fixed, kill: bool, first: int, step: int) -> None:
    die_at_each(fixed.run, "audit", kill, first, step)
