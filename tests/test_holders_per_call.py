"""`holders_per_call`: whatever wallets are read for, no `eth_call` that a node receives holds more of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg
import trio

from actors.cli.backfill import fill
from actors.cli.job import chosen, run_job
from actors.cli.sweep import pass_over
from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from tests.ledger_scene import SEED, Books
from tests.proxy import Answer, Ask, Call, Fault, Proxy, open_proxy
from tests.proxy_world import place, world_behind
from tests.world import World, eventually, followed, running

MOST = 7
LEDGER = "[ledger]\nenabled = true\ninterval_secs = 0.2\naddress_from = ['user_wallet_addresses']\n"
WALLET = 40  # digits


def held_by(call: Call) -> int:
    """How many wallets a packed read holds."""
    return (len(call.params[0].get("data", "0x")) - 2) // WALLET


@dataclass(eq=False)
class Sizes(Fault):
    """No fault: how many wallets each read that came to the node held."""

    found: list[int] = field(default_factory=list)

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        if call.method == "eth_call" and len(call.params) > 2 and (held := held_by(call)):
            self.found.append(held)
        return await ask(call)


class Bounded:
    """A world behind a proxy that counts, with rows of a ledger for each of the town's wallets; `most` is its `holders_per_call`."""

    def __init__(self, folder: Path, database: str, town: Town, proxy: Proxy, most: int = MOST) -> None:
        with psycopg.connect(database) as conn:
            conn.execute(SEED.encode())
        keys = f"confirm_secs = 0.5\nholders_per_call = {most}"
        self.world: World = world_behind(folder, database, town, proxy, chain=keys, extra=LEDGER)
        self.town, self.books = town, Books(database)
        proxy.add(sizes := Sizes())
        self._sizes = sizes

    def sizes(self) -> list[int]:
        """How many wallets each read held since this was asked last."""
        found, self._sizes.found = self._sizes.found, []
        return found

    def fill_ledger(self) -> None:
        """A row for each wallet, all at once: of some of them a claim would find fewer than a call holds."""
        chain = self.books.chain("town")
        asset = self.books.asset(chain, self.town.token)
        for wallet in self.town.wallets:
            self.books.address("0x" + wallet.hex(), chain)
        rows = "SELECT gen_random_uuid(), id, %s::uuid FROM user_wallet_addresses"
        self.books.query(f"INSERT INTO wallet_balances (id, wallet_id, asset_on_chain_id) {rows}", asset)

    def synced(self) -> bool:
        """Whether each of them was read."""
        return not self.books.query("SELECT FROM wallet_balances WHERE sync_count = 0")

    async def job(self, work: object) -> None:
        """`trueup sweep` or `backfill`."""
        assert await run_job(self.world.config, chosen(self.world.config, None), work) == 0  # type: ignore[arg-type]


async def test_no_call_of_events_ledger_sweep_or_backfill_holds_more_wallets_than_it_says(
    tmp_path: Path, database_url: str, town: Town, anvil: Anvil
) -> None:
    async with open_proxy(anvil) as proxy:
        scene = Bounded(tmp_path, database_url, town, proxy)
        found: dict[str, list[int]] = {}
        await scene.job(partial(fill, {}, 0, None))
        found["backfill"] = scene.sizes()
        scene.world.query("UPDATE eth_wallet_balances SET updated_at = '1970-01-01'")
        await scene.job(partial(pass_over, {}, None))
        found["sweep"] = scene.sizes()
        async with running(scene.world, sweep=False):
            await followed(scene.world)
            anvil.rpc("evm_setAutomine", False)
            town.traffic(40)
            town.settle()
            await eventually(scene.world.is_true, "true rows")
            found["events"] = scene.sizes()
            await trio.to_thread.run_sync(scene.fill_ledger)
            await eventually(scene.synced, "synced rows")
            found["ledger"] = scene.sizes()
        assert {name: max(sizes) for name, sizes in found.items()} == dict.fromkeys(found, MOST)
        assert sum(found["sweep"]) >= len(town.wallets)


async def test_a_page_of_the_sweep_is_parted_into_calls_that_are_full(tmp_path: Path, database_url: str, town: Town, anvil: Anvil) -> None:
    async with open_proxy(anvil) as proxy:
        scene = Bounded(tmp_path, database_url, town, proxy)
        place(scene.world, [number.to_bytes(20, "big") for number in range(0x11, 0x11 + 10 * MOST)])
        scene.world.query("UPDATE eth_wallet_balances SET updated_at = updated_at + ('x' || right(wallet, 2))::bit(8)::int * interval '1 second'")
        await scene.job(partial(pass_over, {}, None))
        found = scene.sizes()
        assert found == [MOST] * 10, str(found)
