"""`trueup backfill`: finds wallets in past logs, under a checkpoint of its own, so that it resumes where it stopped."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from functools import partial

import trio
from prometheus_client import Counter

from actors.backfill import Backfill
from actors.cli.job import chosen, run_job
from actors.cli.progress import Progress
from actors.config import AssetConfig, Config
from actors.errors import ConfigError
from actors.metrics import Metrics
from actors.ports import ChainPorts


class Outcome:
    """What was done for one asset since this was made, by whichever incarnation of the actor; an earlier run's blocks are not counted."""

    def __init__(self, ports: ChainPorts, asset: AssetConfig) -> None:
        self._count: Callable[[], tuple[int, int]] = partial(_counted, ports.metrics, ports.config.name, asset.name)
        self._wallets, self._calls = self._count()
        self._began = time.monotonic()
        self._blocks: tuple[int, int] | None = None
        self._found: dict[str, float] | None = None

    def at(self, done: int, total: int) -> None:
        """So many of the blocks are done, of so many."""
        first, last = self._blocks or (done, done)
        self._blocks = first, max(last, done)

    def found(self) -> dict[str, float]:
        """The counts, which stay what they are from the first asking on."""
        if self._found is None:
            (wallets, calls), (first, last) = self._count(), self._blocks or (0, 0)
            secs = round(time.monotonic() - self._began, 1)
            self._found = {"wallets": wallets - self._wallets, "blocks": last - first, "calls": calls - self._calls, "seconds": secs}
        return self._found


def _counted(metrics: Metrics, chain: str, asset: str) -> tuple[int, int]:
    """How many of the asset's wallets this process has read, and how many calls it has made to the chain's nodes."""
    return _total(metrics.readings, "asset", asset), _total(metrics.rpc_calls, "chain", chain)


def _total(counter: Counter, label: str, value: str) -> int:
    samples = (one for family in counter.collect() for one in family.samples if one.name.endswith("_total"))
    return int(sum(one.value for one in samples if one.labels[label] == value))


async def fill(outcomes: dict[str, Outcome], first: int, last: int | None, ports: ChainPorts, asset: AssetConfig) -> None:
    """Touch every wallet in the logs of blocks `first` to `last` (or the head) whose row does not cover them."""
    outcome = outcomes[asset.name] = outcomes.get(asset.name) or Outcome(ports, asset)
    progress = Progress(f"backfill {asset.name}", "blocks")

    def show(done: int, total: int) -> None:
        progress.at(done, total)
        outcome.at(done, total)

    await Backfill(ports, asset, first, last, show).run()
    progress.end()
    outcome.found()


def main(config: Config, args: argparse.Namespace) -> int:
    """The command."""
    if args.to_block is not None and args.to_block < args.from_block:
        raise ConfigError("--to-block: expected a block not before --from-block")
    assets = [asset for asset in chosen(config, getattr(args, "asset", None)) if asset.triggers]
    if not assets:
        raise ConfigError("backfill: no asset has triggers")
    outcomes: dict[str, Outcome] = {}
    code = trio.run(run_job, config, assets, partial(fill, outcomes, args.from_block, args.to_block))
    for name, outcome in outcomes.items():
        found = outcome.found()
        text = f"{name}: " + " ".join(f"{what}={count}" for what, count in found.items())
        print(json.dumps({"asset": name, **found}) if args.json else text)
    return code
