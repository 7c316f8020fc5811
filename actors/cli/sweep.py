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
from actors.messages import Touch
from actors.ports import ChainPorts
from actors.store import holders

PAGE = 2000


def _begin(conn: psycopg.Connection[Any], asset: AssetConfig) -> tuple[Any, int]:
    """The server's time at which the pass begins, and how many rows there are."""
    if asset.track not in ("discover", "table"):
        while holders.insert_placeholders(conn, asset):
            pass
    row = conn.execute("SELECT clock_timestamp()::timestamp").fetchone()
    assert row is not None
    return row[0], holders.count(conn, asset)


async def pass_over(counts: dict[str, dict[str, int]], limit: int | None, ports: ChainPorts, asset: AssetConfig) -> None:
    """Read every row that was last read before the pass began."""
    began, rows = await ports.sweep_store.patiently(_begin, asset)
    total = rows if limit is None else min(limit, rows)
    progress, count = Progress(f"sweep {asset.name}", "wallets"), counts.setdefault(asset.name, {"requested": 0, "updated": 0})
    after: tuple[Any, str] | None = None
    while count["requested"] < total:
        size = min(PAGE, total - count["requested"])
        page = await ports.sweep_store.patiently(holders.oldest_after, asset, size, after, began)
        if not page:
            break
        after = page[-1][1], "0x" + page[-1][0].hex()
        touches = [Touch(asset.name, wallet, live=False) for wallet, _ in page]
        errand = ports.book.register("tick", ports.config.name, asset.name, touches)
        await ports.see_through(errand, live=False)
        count["requested"] += errand.requested
        count["updated"] += errand.updated
        progress.at(count["requested"], total)
        await trio.lowlevel.checkpoint()
    progress.end()


def main(config: Config, args: argparse.Namespace) -> int:
    """The command."""
    counts: dict[str, dict[str, int]] = {}
    code = trio.run(run_job, config, chosen(config, args.asset), partial(pass_over, counts, args.limit))
    for name, count in counts.items():
        text = f"{name}: requested={count['requested']} updated={count['updated']}"
        print(json.dumps({"asset": name, **count}) if args.json else text)
    return code
