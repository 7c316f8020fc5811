"""Log extraction alone: `trueup backfill` where none of the wallets is tracked, and cryo, over the same blocks.

The program's time is that of the whole range less that of a range of one block, so that what a start costs is in neither; cryo times itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from actors.errors import TrueupError
from actors.sandbox.postgres import PrivatePostgres
from bench import database, peers, service
from bench.past import Past, past
from bench.report import Report, Table, interleaved, share, spread
from bench.scene import Scale
from bench.service import Program
from bench.state import TOKEN

STEP = 100  # cryo's blocks a request


def run(scale: Scale) -> Report:
    """See the module."""
    report = Report("logs")
    with past(scale) as chain, database.postgres() as server, service.folder() as folder:
        measures: dict[str, Callable[[], float]] = {"trueup backfill": partial(_trueup, chain, server, folder)}
        if gone := scale.missing("cryo"):
            report.notes.append(f"cryo: {gone['cryo']}")
        else:
            measures["cryo"] = partial(_cryo, chain)
        rates = interleaved(scale.rounds, measures, scale.show)
    table = Table(f"Events a second, {chain.events:,} transfers in {chain.last - chain.first + 1:,} blocks", ["", "events/s"])
    table.rows += [[name, spread(values)] for name, values in rates.items()]
    report.tables.append(table)
    both = "cryo" in rates
    report.headlines["logs"] = share(rates["trueup backfill"], rates["cryo"]) if both else report.notes[-1]
    return report


def _trueup(chain: Past, server: PrivatePostgres, folder: Path) -> float:
    took = []
    for last in (chain.first, chain.last):
        server.drop("logs")
        url = server.fresh("logs")
        program = Program(folder, url, chain.anvil.http, more='track = "table"')
        program.run("init")
        took.append(program.run("backfill", "--from-block", str(chain.first), "--to-block", str(last)).wall_secs)
    return chain.events / max(1e-3, took[1] - took[0])


def _cryo(chain: Past) -> float:
    said, _ = peers.drive("cryo", "logs.py", chain.anvil.http, TOKEN, chain.first, chain.last, STEP)
    if said["events"] != chain.events:
        raise TrueupError(f"cryo: found {said['events']} of {chain.events} events")
    rate: float = said["events"] / said["wall_secs"]
    return rate
