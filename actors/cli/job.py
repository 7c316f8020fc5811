"""What `sweep`, `backfill` and `verify` share: the writer, the batchers and one transient actor that makes the touches, until it returns."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable
from functools import partial

import trio

from actors.child import ChildSpec
from actors.config import AssetConfig, Config
from actors.errors import ConfigError
from actors.evm import ws
from actors.evm.http import HttpClient
from actors.log import get_logger
from actors.memory import keep_what_is_there, share_one_heap
from actors.ports import ChainPorts
from actors.supervisor import GaveUp
from actors.system import System

log = get_logger("job")
Work = Callable[[ChainPorts, AssetConfig], Awaitable[None]]


def chosen(config: Config, name: str | None) -> list[AssetConfig]:
    """The asset of that name, or all."""
    assets = [asset for asset in config.assets if name in (None, asset.name)]
    if not assets:
        raise ConfigError(f"--asset: expected one of {', '.join(a.name for a in config.assets)}, got {name}")
    return assets


async def run_job(config: Config, assets: list[AssetConfig], work: Work, alone: bool = False) -> int:
    """Do `work` for each asset, one after the other; 0 when it is done, 1 when interrupted or given up. `alone`: it only looks, so there is
    nobody beside it but the bookkeeper.
    """
    share_one_heap()
    async with HttpClient(config.ca_file) as client:
        system = System(config, client, partial(ws.connect, trusted=client.tls))
        await system.check()
        finished = trio.Event()
        todo, refused = list(assets), list[ConfigError]()
        keep_what_is_there()

        async def source(*, task_status: trio.TaskStatus[None]) -> None:
            task_status.started()
            while todo:
                asset = todo[0]
                try:
                    await work(system.chains[asset.chain], asset)
                except ConfigError as error:  # no fault that a restart would mend
                    refused.append(error)
                    break
                todo.pop(0)
            finished.set()

        specs = [s for s in system.specs([ChildSpec("job", source, restart="transient")]) if s.name in ("bookkeeper", "job") or not (alone or s.name == "server")]
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            try:
                await system.run(specs, lambda: _either(finished, signals))
            except GaveUp as error:
                log.error(str(error))
                return 1
    if refused:
        raise refused[0]
    return 0 if finished.is_set() else 1


async def _either(finished: trio.Event, signals: object) -> None:
    async with trio.open_nursery() as nursery:

        async def on_signal() -> None:
            async for _ in signals:  # type: ignore[attr-defined]  # trio's receiver has no public type
                nursery.cancel_scope.cancel()
                return

        nursery.start_soon(on_signal)
        await finished.wait()
        nursery.cancel_scope.cancel()
