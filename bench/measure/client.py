"""What the client can do at most: the sweep against a node that costs nothing, over what anvil can answer at most over two connections.

Postgres takes most of such a sweep's time, so the client's own limit is the rate at which its process would use one core: wallets over
the CPU seconds of the whole process, its row writing included, less what a start costs. Beside it the same of the event loop's thread alone
(reading and actors), and the rate that the sweep in fact had.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench.canned import canned
from bench.ceilings import CONNECTIONS, fullest_call, holders_in, node_rate
from bench.node import node
from bench.report import Report, Table, interleaved, ratio, spread
from bench.scene import Scale, Stage, not_built, rung, rungs, stage


@dataclass(frozen=True)
class Limit:
    """Wallets a second: of one core's worth of the process, of its first thread, and as it was."""

    process: float
    thread: float
    as_it_was: float


def run(scale: Scale) -> Report:
    """See the module."""
    report = Report("client")
    rows, few = scale.of(1_000_000, 20_000), scale.of(100_000, 2_000)
    with stage(rows) as ground, node(few) as anvil, canned() as free:
        there = rungs(ground.folder, ground.url)
        report.notes += not_built(there)
        measures: dict[str, Callable[[], Limit | float]] = {}
        sizes: dict[str, int] = {}
        for name in there:
            body = fullest_call(ground, anvil.port, rung(name), few)
            own = fullest_call(ground, free.port, rung(name), few)
            sizes[name] = holders_in(body)
            measures[f"trueup {name}"] = partial(_limit, ground, free.http, rung(name))
            measures[f"anvil {name}"] = partial(node_rate, anvil.port, body, scale.of(3, 1), ground.folder)
            measures[f"canned {name}"] = partial(node_rate, free.port, own, scale.of(3, 1), ground.folder)
        found = interleaved(scale.rounds, measures, scale.show)
    report.tables.append(_table(report, found, sizes))
    return report


def _limit(ground: Stage, http: str, chain: str) -> Limit:
    start = ground.start(http, chain)
    done = ground.sweep(http, chain)
    process, thread = done.cpu_secs - start.cpu_secs, done.first_thread_secs - start.first_thread_secs
    return Limit(ground.rows / process, ground.rows / thread, ground.rows / (done.wall_secs - start.wall_secs))


def _table(report: Report, found: dict[str, list[Limit | float]], sizes: dict[str, int]) -> Table:
    table = Table(
        f"Wallets a second on the canned node, and the nodes' own ceilings over {CONNECTIONS} connections",
        ["", "process, one core", "its first thread", "sweep as it was", "anvil alone", "canned node alone", "process over anvil", "first thread over anvil"],
    )
    for name, size in sizes.items():
        limits = [one for one in found[f"trueup {name}"] if isinstance(one, Limit)]
        anvil, free = ([one for one in found[f"{who} {name}"] if isinstance(one, float)] for who in ("anvil", "canned"))
        columns = [[limit.process for limit in limits], [limit.thread for limit in limits], [limit.as_it_was for limit in limits], anvil, free]
        over = ratio(columns[0], anvil), ratio(columns[1], anvil)
        table.rows.append([f"{name}, {size} a call", *map(spread, columns), *over])
        report.headlines.setdefault("client_alone", f"{over[0]}; reading alone {over[1]} ({name})")
    return table
