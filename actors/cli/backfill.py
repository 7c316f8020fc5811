"""`trueup backfill`: finds wallets in past logs, under a checkpoint of its own, so that it resumes where it stopped."""

from __future__ import annotations

import argparse
from functools import partial

import trio

from actors.backfill import Backfill
from actors.cli.job import chosen, run_job
from actors.cli.progress import Progress
from actors.config import AssetConfig, Config
from actors.errors import ConfigError
from actors.ports import ChainPorts


async def fill(first: int, last: int | None, ports: ChainPorts, asset: AssetConfig) -> None:
    """Touch every wallet in the logs of blocks `first` to `last` (or the head) whose row does not cover them."""
    progress = Progress(f"backfill {asset.name}", "blocks")
    await Backfill(ports, asset, first, last, progress.at).run()
    progress.end()


def main(config: Config, args: argparse.Namespace) -> int:
    """The command."""
    if args.to_block is not None and args.to_block < args.from_block:
        raise ConfigError("--to-block: expected a block not before --from-block")
    assets = [asset for asset in chosen(config, getattr(args, "asset", None)) if asset.triggers]
    if not assets:
        raise ConfigError("backfill: no asset has triggers")
    return trio.run(run_job, config, assets, partial(fill, args.from_block, args.to_block))
