"""The whole system on a real chain and a real Postgres, inside a test."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.config import Config, load
from actors.evm.http import HttpClient
from actors.sandbox.town import Town
from actors.system import System
from tests.asking import ask
from tests.role import as_service, init

PATIENCE_SECS = 60  # only what fails takes so long; a busy machine takes its time
Mode = dict[str, Any]
LOGS: Mode = {"chain": "confirm_secs = 0.3"}
HEADS: Mode = {"chain": 'confirm_secs = 0.3\nfollow = "heads"'}
POLLING: Mode = {"ws": False, "chain": "poll_interval_secs = 0.1"}
BY_NAME = {"logs": LOGS, "heads": HEADS, "polling": POLLING}
MODES = pytest.mark.parametrize("mode", list(BY_NAME.values()), ids=list(BY_NAME))
BASE = """
[database]
url = "{database}"
[server]
bind = ""
[sweeper]
interval_secs = {interval}
batch_size = {batch}
[supervisor]
max_restarts = 1000
backoff_initial_secs = 0.01
grace_secs = 5
{extra}
"""


class World:
    """A config, its database with the schema applied, and the town that it watches. `database` is the owner's URL of it, the config has the
    service's.
    """

    def __init__(self, folder: Path, database: str, town: Town, interval: float = 3600, batch: int = 50, **toml: Any) -> None:
        extra = toml.pop("extra", "")
        self.database, self.town = database, town
        self.path = folder / "trueup.toml"
        text = BASE.format(database=as_service(database), interval=interval, batch=batch, extra=extra) + town.toml(**toml)
        self.path.write_text(text)
        self.config: Config = load(str(self.path), {})
        init(self.database, self.config)

    def reload(self) -> None:
        """Take the file as it is now."""
        self.config = load(str(self.path), {})
        init(self.database, self.config)

    def query(self, statement: str, *args: Any) -> list[tuple[Any, ...]]:
        """Ask the database."""
        return ask(self.database, statement, *args)

    def rows(self) -> dict[bytes, tuple[int, int | None]]:
        """Balance and blocknumber of each wallet."""
        found = self.query("SELECT wallet, balance, blocknumber FROM eth_wallet_balances")
        return {bytes.fromhex(wallet[2:]): (int(balance), block) for wallet, balance, block in found}

    def marks(self) -> tuple[int, int] | None:
        """The checkpoint."""
        found = self.query("SELECT last_block, confirmed FROM eth_indexer_checkpoints WHERE name = 'audio_transfers'")
        return (found[0][0], found[0][1]) if found else None

    def is_true(self) -> bool:
        """Whether everything touched so far is in the rows, at the block of its last log, and closed."""
        marks, head = self.marks(), self.town.block()
        if marks is None or marks[0] < head:
            return False
        touched = self.town.last_events(self.town.started_at)
        truth = self.town.truths(list(touched), head)
        rows = self.rows()
        return all(rows.get(wallet) == (truth[wallet], block) for wallet, block in touched.items())


async def eventually(state: Callable[[], bool], what: str = "the state") -> None:
    """Wait for a state of the world outside this process."""
    with trio.move_on_after(PATIENCE_SECS):
        while not await trio.to_thread.run_sync(state):
            await trio.sleep(0.02)
        return
    raise AssertionError(f"{what} did not come about within {PATIENCE_SECS} s")


@asynccontextmanager
async def running(world: World, sweep: bool = True) -> AsyncIterator[System]:
    """The service, stopped cleanly at the end."""
    async with HttpClient() as client:
        system = System(world.config, client)
        await system.check()
        stop = trio.Event()
        specs = [spec for spec in system.service() if sweep or not spec.name.startswith("sweeper")]
        async with trio.open_nursery() as nursery:

            async def service(*, task_status: trio.TaskStatus[None]) -> None:
                await system.run(specs, stop.wait, task_status=task_status)

            await nursery.start(service)
            yield system
            stop.set()


def reorg_seen(system: System, town: Town) -> Callable[[], bool]:
    """Whether the service has seen one. Meanwhile a block comes each second, as on any chain: an anvil that is reverted while it answers may for
    ever not know its newest block by the hash that it gives.
    """
    due = time.monotonic() + 1

    def state() -> bool:
        nonlocal due
        if system.view.chains["town"].branch > 0:
            return True
        if time.monotonic() > due:
            town.mine()
            due = time.monotonic() + 1
        return False

    return state


async def followed(world: World) -> None:
    """The first checkpoint is there."""
    await eventually(lambda: world.marks() is not None, "the first checkpoint")
