"""At every await that a fixed run of the service passes, an actor is killed, and in another run crashes: the rows come out the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from tests.awaits import Awaits
from tests.deaths import die_at_each, empty, mortal
from tests.world import World, eventually

STRANGER = "0x" + "ab" * 20
# By kind of actor, among how many tests its awaits are dealt out: the workers share them.
PARTS = {"subscriber": 2, "batcher": 2, "writer": 1, "sweeper": 1}
CASES = [(kind, part, parts) for kind, parts in PARTS.items() for part in range(1, parts + 1)]
NAMES = [f"{kind} {part} of {parts}" for kind, part, parts in CASES]


class Fixed:
    """The fixed run: down while some things happen, up, then some more things happen; the rows are judged at the end."""

    def __init__(self, folder: Path, database: str, town: Town, anvil: Anvil) -> None:
        self._world = World(folder, database, town, interval=0.2, chain="confirm_secs = 0.2")
        self._town, self._anvil = town, anvil
        self._snapshot = anvil.rpc("evm_snapshot")

    def run(self, awaits: Awaits) -> None:
        """One run under the instrument, on the chain's first state and empty tables."""
        self._anvil.rpc("evm_revert", self._snapshot)
        self._snapshot = self._anvil.rpc("evm_snapshot")
        empty(self._world.database)
        self._world.query("INSERT INTO eth_wallet_balances (wallet, updated_at) VALUES (%s, '1970-01-01')", STRANGER)
        self._world.query("INSERT INTO eth_indexer_checkpoints (name, last_block) VALUES ('audio_transfers', %s)", self._town.block())
        self._town.transfer(self._town.wallets[0], self._town.wallets[1], 1)
        trio.run(self._story, awaits, instruments=[awaits])

    async def _story(self, awaits: Awaits) -> None:
        async with mortal(self._world.config, awaits):
            await eventually(self._world.is_true, f"truth after {awaits}")
            self._town.stake(self._town.wallets[2], 5)
            self._town.delegate(self._town.wallets[3], self._town.wallets[0], 6)
            await eventually(self._world.is_true, f"truth after {awaits}")
            await eventually(self._swept, f"the sweep after {awaits}")

    def _swept(self) -> bool:
        return self._world.query("SELECT count(*) FROM eth_wallet_balances WHERE updated_at < '1971-01-01'") == [(0,)]


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory, postgres_server: PrivatePostgres) -> Iterator[Fixed]:
    with Anvil() as anvil:
        yield Fixed(tmp_path_factory.mktemp("fixed"), postgres_server.fresh("any_dies"), Town(anvil, wallets=6), anvil)
    postgres_server.drop("any_dies")


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kill", [True, False], ids=["killed", "crashed"])
@pytest.mark.parametrize(("kind", "part", "parts"), CASES, ids=NAMES)
def test_an_actor_may_die_at_any_await(fixed: Fixed, kind: str, part: int, parts: int, kill: bool) -> None:
    die_at_each(fixed.run, kind, kill, part, parts)
