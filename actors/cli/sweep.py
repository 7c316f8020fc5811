"""`trueup sweep`: one whole pass over an asset's rows now, oldest first, each row once."""

from __future__ import annotations

import argparse
import json
from functools import partial
from typing import Any

import psycopg
import trio

from actors.cli.job import chosen, run_job
from actors.cli.progress import Progress
from actors.config import AssetConfig, Config
from actors.lap import Lap, go
from actors.ports import ChainPorts
from actors.store import holders

MOST_LAPS = 4
MOST_ROWS = 10**12


def _begin(conn: psycopg.Connection[Any], asset: AssetConfig) -> tuple[Any, int]:
    """The server's time at which the pass begins, and how many rows there are."""
    if asset.track not in ("discover", "table"):
        while holders.insert_placeholders(conn, asset):
            pass
    row = conn.execute("SELECT clock_timestamp()::timestamp").fetchone()
    assert row is not None
    return row[0], holders.count(conn, asset)


async def pass_over(counts: dict[str, dict[str, int]], limit: int | None, ports: ChainPorts, asset: AssetConfig) -> None:
    """Read every row that was last read before the pass began. Interrupted and started again, it goes on with what is oldest then.

    What a lap has passed over, since rows of one age come in any order, is read by another one.
    """
    began, rows = await ports.sweep_store.patiently(_begin, asset)
    most = rows if limit is None else min(limit, rows)
    progress, count = Progress(f"sweep {asset.name}", "wallets"), counts.setdefault(asset.name, {"requested": 0, "updated": 0})
    done = dict(count)
    progress.at(0, most)

    def on_page(lap: Lap) -> None:
        count["requested"], count["updated"] = done["requested"] + lap.requested, done["updated"] + lap.updated
        progress.at(min(count["requested"], most), most)

    for _ in range(MOST_LAPS):
        lap = Lap(before=began)
        await go(ports, asset, lap, MOST_ROWS if limit is None else limit - count["requested"], on_page)
        done = dict(count)
        if not lap.updated:
            break
    progress.end()


def main(config: Config, args: argparse.Namespace) -> int:
    """The command."""
    counts: dict[str, dict[str, int]] = {}
    code = trio.run(run_job, config, chosen(config, args.asset), partial(pass_over, counts, args.limit))
    for name, count in counts.items():
        text = f"{name}: requested={count['requested']} updated={count['updated']}"
        print(json.dumps({"asset": name, **count}) if args.json else text)
    return code
