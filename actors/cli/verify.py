"""`trueup verify`: reads rows again at the block that each names, and says which are wrong. It changes nothing."""

from __future__ import annotations

import argparse
import json
from functools import partial
from random import Random

import trio

from actors.audit.check import Checker
from actors.audit.draw import draw
from actors.audit.panel import Panel
from actors.audit.report import Report
from actors.audit.sample import places_for, some
from actors.audit.verdict import Selected
from actors.cli import FAILED, OK
from actors.cli.job import chosen, run_job
from actors.cli.progress import Progress
from actors.config import AssetConfig, Config
from actors.ports import ChainPorts
from actors.secrets import mask
from actors.store import audit, holders

PAGE = 50_000  # rows of one block that are far apart by wallet share a call
DRAWS_WITHOUT_A_ROW = 20
REMEMBERED = 200_000  # drawn rows: of so many, the next draw meets few again


class Verification:
    """Of one asset, all of its rows or so many random ones."""

    def __init__(self, ports: ChainPorts, asset: AssetConfig, sample: int | None) -> None:
        self._store, self._asset, self._sample = ports.sweep_store, asset, sample
        self._checker = Checker(ports, asset, self._store, Panel(ports, asset.name), ports.config.calls_in_flight, self._on_rows)
        self._progress = Progress(f"verify {asset.name}", "rows")
        self._done = self._total = 0
        self.report = Report(asset.name)

    def _on_rows(self, count: int) -> None:
        self._done += count
        self._progress.at(min(self._done, self._total), self._total)

    async def run(self) -> None:
        """Until all are looked at."""
        rows = await self._store.patiently(holders.count, self._asset)
        self._total = rows if self._sample is None else min(self._sample, rows)
        self._on_rows(0)
        await (self._all() if self._total == rows else self._some())
        self._progress.end()

    async def _all(self) -> None:
        """By wallet: a row that is written meanwhile stays where it is, so each is looked at once."""
        after = ""
        while (selected := await self._store.patiently(audit.page, self._asset, after, PAGE)).rows:
            after = selected.rows[-1].wallet
            self.report.add(await self._checker.check(selected))

    async def _some(self) -> None:
        rng, seen, left, idle = Random(), set[str](), self._total, 0
        while left and idle < DRAWS_WITHOUT_A_ROW:
            wanted = min(PAGE, left)
            drawn = await draw(self._store, self._asset, places_for(wanted, 1.0), wanted, rng)
            fresh = some([row for row in drawn.rows if row.wallet not in seen], wanted, rng)
            left, idle = left - len(fresh), 0 if fresh else idle + 1
            seen = seen if len(seen) < REMEMBERED else set()
            seen.update(row.wallet for row in fresh)
            self.report.add(await self._checker.check(Selected(fresh, drawn.branch)))


async def verify(reports: dict[str, Report], sample: int | None, ports: ChainPorts, asset: AssetConfig) -> None:
    """The work of one asset; begun anew where it crashed."""
    verification = Verification(ports, asset, sample)
    reports[asset.name] = verification.report
    await verification.run()


def main(config: Config, args: argparse.Namespace) -> int:
    """The command. 1 also where no endpoint answered for some rows, or they contradict each other: those are not known to be right."""
    reports: dict[str, Report] = {}
    sample = None if args.all else args.sample
    code = trio.run(partial(run_job, config, chosen(config, args.asset), partial(verify, reports, sample), alone=True))
    for report in reports.values():
        print(mask(json.dumps(report.data()) if args.json else "\n".join(report.lines())))
    wrong = any(report.wrong or report.uncheckable["unanswered"] or report.uncheckable["disputed"] for report in reports.values())
    return FAILED if wrong else code or OK


