"""`trueup backfill`: finds wallets in past logs, window by window, under a checkpoint of its own, so that it resumes where it stopped."""

from __future__ import annotations

import argparse
from functools import partial

import trio

from actors.cli.job import chosen, run_job
from actors.cli.progress import Progress
from actors.closing import Closer
from actors.config import AssetConfig, Config
from actors.errors import ConfigError, NodeError, TrueupError
from actors.evm.block import Header
from actors.evm.endpoint import Endpoint
from actors.log import get_logger
from actors.messages import Marks, Move
from actors.ports import ChainPorts
from actors.pushes import PushWatch
from actors.reorg import Reorgs
from actors.store import chain as chain_store
from actors.store import checkpoint, holders
from actors.supervisor import Backoff

log = get_logger("backfill")


def name_of(asset: AssetConfig, first: int) -> str:
    """The backfill's own checkpoint: one for each block that a backfill was asked to begin at."""
    return f"{asset.checkpoint}:backfill:{first}"


async def fill(first: int, last: int | None, ports: ChainPorts, asset: AssetConfig) -> None:
    """Touch every wallet in the logs of blocks `first` to `last` (or the head) whose row does not cover them."""
    name = name_of(asset, first)
    ports.view.branch = await ports.store.patiently(chain_store.branch, ports.config.name)
    closer = Closer(ports, asset, Reorgs(ports), PushWatch())
    progress, backoff = Progress(f"backfill {asset.name}", "blocks"), Backoff(0.5, 10)
    while True:
        marks = await ports.store.patiently(checkpoint.load, name)
        if marks is None:
            await ports.store.patiently(checkpoint.create, ports.config.name, name, first - 1, None)
            continue
        endpoint = await ports.pool.pick()
        try:
            target = await _target(endpoint, last)
            if marks.last_block >= target.number:
                break
            await _window(closer, endpoint, ports, asset, name, marks, target)
        except NodeError as error:
            ports.pool.failed(endpoint, error)
            log.warning("window failed", reason=str(error))
            await trio.sleep(backoff.after(0))
            continue
        done = await ports.store.patiently(checkpoint.load, name)
        progress.at((done.last_block if done else first) - first + 1, target.number - first + 1)
    progress.end()


async def _target(endpoint: Endpoint, last: int | None) -> Header:
    head = await endpoint.header("latest")
    if head is None or (last is not None and head.number < last):
        raise ConfigError(f"--to-block: the chain has no block {last} yet") if head else TrueupError("no head")
    if last is None or last == head.number:
        return head
    target = await endpoint.header(last)
    if target is None:
        raise ConfigError(f"--to-block: the node has no block {last}")
    return target


async def _window(
    closer: Closer, endpoint: Endpoint, ports: ChainPorts, asset: AssetConfig, name: str, marks: Marks, target: Header
) -> None:
    branch = ports.view.branch
    span = await closer.gather(endpoint, marks.last_block + 1, target)
    rows = await ports.store.patiently(holders.look_up, asset, list(span.events))
    step = Marks(span.last, marks.confirmed)
    move = Move(0, ports.config.name, name, branch, marks, step, None)
    errand = ports.book.register("backfill", ports.config.name, asset.name, closer.items(span, rows, branch), move)
    await closer.see_through(errand)


def main(config: Config, args: argparse.Namespace) -> int:
    """The command."""
    if args.to_block is not None and args.to_block < args.from_block:
        raise ConfigError("--to-block: expected a block not before --from-block")
    assets = [asset for asset in chosen(config, getattr(args, "asset", None)) if asset.triggers]
    if not assets:
        raise ConfigError("backfill: no asset has triggers")
    return trio.run(run_job, config, assets, partial(fill, args.from_block, args.to_block))
