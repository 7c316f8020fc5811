"""The ledger worker on real chains and a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psycopg
import trio

from actors.config import Config, load
from actors.evm.http import HttpClient
from actors.sandbox.town import Town
from actors.system import System
from tests.ledger_scene import SEED, Books
from tests.role import as_service, init

CONFIG = """
[database]
url = "{database}"
[server]
bind = ""
[ledger]
enabled = true
interval_secs = {interval}
batch_size = {batch}
lease_secs = {lease}
address_from = {lookups}
[supervisor]
max_restarts = 1000
backoff_initial_secs = 0.01
grace_secs = 5
{extra}
"""


class LedgerWorld:
    """A config of a ledger, and its database with the seed's tables."""

    def __init__(
        self,
        folder: Path,
        database: str,
        extra: str = "",
        interval: float = 0.1,
        batch: int = 50,
        lease: float = 120,
        lookups: Sequence[str] = ("user_wallet_addresses",),
        more: str = "",
    ) -> None:
        self.path, self.books = folder / "trueup.toml", Books(database)
        names = "[" + ", ".join(f'"{name}"' for name in lookups) + "]"
        self.path.write_text(CONFIG.format(database=as_service(database), interval=interval, batch=batch, lease=lease, lookups=names, extra=extra))
        with psycopg.connect(database) as conn:
            conn.execute((SEED + more).encode())
        self.reload()

    def reload(self) -> None:
        """Take the file as it is now."""
        self.config: Config = load(str(self.path), {})
        init(self.books.url, self.config)

    def fill(self, town: Town, chain: str, asset: str, count: int | None = None) -> dict[str, bytes]:
        """A row for each of the town's wallets, by its id."""
        self.settle(town)
        rows = {}
        for wallet in town.wallets[:count]:
            rows[self.books.row(self.books.address("0x" + wallet.hex(), chain), asset)] = wallet
        return rows

    @staticmethod
    def settle(town: Town) -> None:
        """Blocks, so that what was done so far is what a chain without closings is read at: two behind the head."""
        for _ in range(3):
            town.mine()

    def raw(self) -> dict[str, str | None]:
        """Each row's balance."""
        return {str(number): raw for number, raw in self.books.query("SELECT id, on_chain_balance_raw FROM wallet_balances")}


@asynccontextmanager
async def syncing(world: LedgerWorld) -> AsyncIterator[System]:
    """The service, stopped cleanly at the end."""
    async with HttpClient() as client:
        system = System(world.config, client)
        await system.check()
        stop = trio.Event()
        async with trio.open_nursery() as nursery:

            async def service(*, task_status: trio.TaskStatus[None]) -> None:
                await system.run(system.service(), stop.wait, task_status=task_status)

            await nursery.start(service)
            yield system
            stop.set()
