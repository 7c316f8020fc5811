"""The table right after 50,000 past transfers: `trueup backfill`, and Ponder with its throttle lifted, each from an empty database.

The time is from the start of the process until every row is the truth, and again without what a start costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from actors.errors import TrueupError
from actors.sandbox.postgres import PrivatePostgres
from bench import database, ponder, service
from bench.past import Past, past
from bench.report import Report, Table, number, spread
from bench.scene import Scale, not_built, rung, rungs
from bench.service import Program


@dataclass(frozen=True)
class Took:
    """Seconds from the process's start, and from its own beginning."""

    gross: float
    net: float


def run(scale: Scale) -> Report:
    """See the module."""
    report = Report("backfill")
    with past(scale) as chain, database.postgres() as server, service.folder() as folder:
        there = rungs(folder, server.url("postgres"))
        report.notes += not_built(there)
        ours = []
        for at in range(scale.rounds):
            scale.show(f"  round {at + 1} of {scale.rounds}: trueup backfill")
            ours.append(_trueup(chain, server, rung(there[0]), folder))
        title = f"Seconds until the table is right: {chain.events:,} transfers in {chain.last - chain.first + 1:,} blocks"
        table = Table(title, ["", "from the start of the process", "without the start"])
        table.rows.append(["trueup backfill", spread([one.gross for one in ours]), spread([one.net for one in ours])])
        report.tables.append(table)
        if gone := scale.missing("ponder"):
            report.notes.append(f"ponder: {gone['ponder']}")
            report.headlines["backfill"] = report.notes[-1]
        else:
            _ponder(scale, report, chain, server, folder, ours)
    return report


def _trueup(chain: Past, server: PrivatePostgres, rung: str, folder: Path) -> Took:
    server.drop("own")
    url = server.fresh("own")
    chain.traffic.store_truth(url)
    program = Program(folder, url, chain.anvil.http, chain=rung)
    program.run("init")
    start = program.run("sweep").wall_secs  # of a table that is empty yet: imports, the config, connections
    done = program.run("backfill", "--from-block", str(chain.first), "--to-block", str(chain.last))
    if wrong := database.wrong(url):
        raise TrueupError(f"backfill: {wrong} rows are not the truth")
    return Took(done.wall_secs, done.wall_secs - start)


def _ponder(scale: Scale, report: Report, chain: Past, server: PrivatePostgres, folder: Path, ours: list[Took]) -> None:
    scale.show("  ponder")
    url = server.fresh("ponder")
    chain.traffic.store_truth(url)
    limit = scale.of(1_200, 90)
    try:
        found = ponder.index(chain, url, folder, limit)
    except TrueupError as error:
        report.notes.append(f"ponder does not run: {str(error)[-300:]}")
        report.headlines["backfill"] = "ponder does not run"
        return
    secs = found.secs or limit
    more = "" if found.secs else "more than "
    row = ["Ponder, throttle lifted, one run", f"{more}{number(secs + found.start_secs)}", f"{more}{number(secs)}"]
    report.tables[0].rows.append(row)
    net = spread([secs / one.net for one in ours], "x")
    gross = spread([(secs + found.start_secs) / one.gross for one in ours], "x")
    report.headlines["backfill"] = f"{more}{net}; both from the start of the process: {gross}"
