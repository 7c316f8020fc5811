"""A full sweep of a million rows: beside the ceilings of the same minutes, beside multicall.py with executemany, and its CPU and memory.

`trueup sweep` is taken, in time and CPU, as a process less what a start costs (imports, the config, connections); probing and finding the size are in.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import psycopg

from actors.sandbox.anvil import Anvil
from bench import database, peers, statements
from bench.canned import canned
from bench.ceilings import AT_ONCE, fullest_call, harmonic, holders_in, node_rate, postgres_rate
from bench.node import node
from bench.report import Report, Table, interleaved, number, ratio, share, spread
from bench.scene import Scale, Stage, Start, not_built, rung, rungs, source_words, stage
from bench.service import Done
from bench.usage import cpu_secs

PEER_CHUNK = 500
LEAST_SECS = 0.01  # in a quick run a start's own spread is more than the sweep


@dataclass(frozen=True)
class Lap:
    """One sweep: rows a second, its CPU seconds (the program's less its start's, the node's, Postgres's), and its process."""

    rows: int
    rate: float
    cpu: tuple[float, float, float]
    done: Done


def run(scale: Scale) -> Report:
    """See the module."""
    report = Report("sweep")
    rows = scale.of(1_000_000, 20_000)
    with stage(rows) as ground, node(rows) as anvil:
        there = rungs(ground.folder, ground.url)
        report.notes += not_built(there)
        _race(scale, report, ground, anvil, there)
        chain = rung(there[0])
        with _snapshot(rows) as held:
            _select_under_snapshot(report, held, anvil, chain)
    _memory(scale, report, chain)
    return report


def _race(scale: Scale, report: Report, ground: Stage, anvil: Anvil, there: list[str]) -> None:
    start = ground.start(anvil.http, rung(there[0]))
    bodies = {name: fullest_call(ground, anvil.port, rung(name), scale.of(50_000, 3_000)) for name in there}
    measures: dict[str, Callable[[], Lap | float]] = {f"trueup {name}": partial(_lap, ground, anvil, rung(name), start) for name in there}
    for name, body in bodies.items():
        measures[f"node alone, {name}"] = partial(node_rate, anvil.port, body, scale.of(3, 1), ground.folder)
    measures["Postgres alone"] = partial(postgres_rate, ground, ground.rows)
    if gone := scale.missing("multicall_py"):
        report.notes.append(f"multicall.py: {gone['multicall_py']}")
    else:
        measures["multicall.py + executemany"] = partial(_peer, ground, anvil, scale.of(20_000, 1_000))
    found = interleaved(scale.rounds, measures, scale.show)
    laps = {name: [lap for lap in found[f"trueup {name}"] if isinstance(lap, Lap)] for name in there}
    rates = {name: [value for value in values if isinstance(value, float)] for name, values in found.items()}
    report.tables.append(_rates(laps, rates, {name: holders_in(body) for name, body in bodies.items()}))
    report.tables.append(_shares(laps))
    _headlines(report, laps[there[0]], there[0], rates)


def _lap(ground: Stage, anvil: Anvil, chain: str, start: Start) -> Lap:
    database.reset(ground.url)
    before = cpu_secs(anvil.pid), cpu_secs(ground.server.pid)
    done = ground.program(anvil.http, chain=chain).run("sweep", "--json")
    cpu = done.cpu_secs - start.cpu_secs, cpu_secs(anvil.pid) - before[0], cpu_secs(ground.server.pid) - before[1]
    ground.check()
    return Lap(ground.rows, ground.rows / max(LEAST_SECS, done.wall_secs - start.wall_secs), cpu, done)


def _peer(ground: Stage, anvil: Anvil, rows: int) -> float:
    database.reset(ground.url, rows)
    said, _ = peers.drive("multicall_py", "sweep.py", anvil.http, ground.url, rows, PEER_CHUNK, *source_words())
    ground.check(rows)
    rate: float = said["wallets"] / said["wall_secs"]
    return rate


def _bound(rates: dict[str, list[float]], name: str) -> list[float]:
    return [harmonic(*pair) for pair in zip(rates[f"node alone, {name}"], rates["Postgres alone"], strict=True)]


def _rates(laps: dict[str, list[Lap]], rates: dict[str, list[float]], sizes: dict[str, int]) -> Table:
    table = Table(f"Rows a second (Postgres alone: two writers, {AT_ONCE} rows a statement)", ["", "rows/s", "of the bound", "over multicall.py"])
    peer = rates.get("multicall.py + executemany")
    for name, values in laps.items():
        ours = [lap.rate for lap in values]
        wallets = sizes[name]
        over = ratio(ours, peer) if peer else "-"
        table.rows.append([f"trueup sweep, {name}, {wallets} a call", spread(ours), share(ours, _bound(rates, name)), over])
        table.rows.append([f"node alone, the same call over two connections, {name}", spread(rates[f"node alone, {name}"]), "-", "-"])
        table.rows.append([f"bound 1/(1/node + 1/Postgres), {name}", spread(_bound(rates, name)), "-", "-"])
    table.rows.append(["Postgres alone", spread(rates["Postgres alone"]), "-", "-"])
    if peer:
        table.rows.append(["multicall.py + executemany", spread(peer), "-", "-"])
    return table


def _shares(laps: dict[str, list[Lap]]) -> Table:
    table = Table("CPU of a sweep", ["", "trueup ms/1,000", "node", "Postgres", "trueup's share", "peak MB", "gross seconds"])
    for name, values in laps.items():
        per = [[secs * 1e6 / lap.rows for secs in lap.cpu] for lap in values]
        columns = [spread([one[at] for one in per]) for at in range(3)]
        mine = share([lap.cpu[0] for lap in values], [sum(lap.cpu) for lap in values])
        peak, gross = spread([lap.done.peak_mb for lap in values]), spread([lap.done.wall_secs for lap in values])
        table.rows.append([f"trueup sweep, {name}", *columns, mine, peak, gross])
    return table


def _headlines(report: Report, laps: list[Lap], name: str, rates: dict[str, list[float]]) -> None:
    with_rung = "" if name == "packed" else f" (on {name})"
    ours = [lap.rate for lap in laps]
    report.headlines["sweep_bound"] = share(ours, _bound(rates, name)) + with_rung
    peer = rates.get("multicall.py + executemany")
    report.headlines["sweep_peer"] = ratio(ours, peer) + with_rung if peer else "multicall.py is not there"
    report.headlines["sweep_share"] = share([lap.cpu[0] for lap in laps], [sum(lap.cpu) for lap in laps]) + with_rung
    report.headlines["sweep_memory"] = number(statistics.median(lap.done.peak_mb for lap in laps)) + " MB" + with_rung


@contextmanager
def _snapshot(rows: int) -> Iterator[Stage]:
    """A database whose server logs how long each statement takes, and in which another session holds a snapshot."""
    with stage(rows, **statements.SETTINGS) as ground:
        database.reset(ground.url)
        with psycopg.connect(ground.url) as other:
            other.execute("set transaction isolation level repeatable read")
            other.execute("select 1")
            yield ground


def _select_under_snapshot(report: Report, ground: Stage, anvil: Anvil, chain: str) -> None:
    at = ground.server.log.stat().st_size
    ground.program(anvil.http, chain=chain).run("sweep")
    ground.check()
    selects, writes = statements.took(ground.server.log, at)
    late = len(selects) * 2 // 3
    table = Table("Statements of a lap while another session holds a snapshot, ms", ["", "statements", "in all", "median", "median of the last third"])
    for name, values in (("oldest-first select", selects), ("write", writes)):
        last = values[len(values) * 2 // 3 :]
        table.rows.append([name, str(len(values)), number(sum(values)), number(statistics.median(values)), number(statistics.median(last))])
    report.tables.append(table)
    third = 100 * sum(selects[late:]) / sum(writes[len(writes) * 2 // 3 :])
    report.headlines["snapshot"] = f"{100 * sum(selects) / sum(writes):.1f} % over the lap, {third:.1f} % in its last third"


def _memory(scale: Scale, report: Report, chain: str) -> None:
    """On the canned node, where the size of the table is all that differs."""
    sizes = (100_000, 3_000_000) if not scale.quick else (2_000, 4_000)
    peaks = []
    with canned() as target:
        for rows in sizes:
            scale.show(f"  memory over {rows} rows")
            with stage(rows) as ground:
                peaks.append(ground.sweep(target.http, chain).peak_mb)
    growth = 100 * (peaks[1] / peaks[0] - 1)
    report.tables.append(Table("Peak memory, canned node", ["rows", "MB"], [[f"{r:,}", number(mb)] for r, mb in zip(sizes, peaks, strict=True)]))
    report.headlines["sweep_memory"] += f"; {growth:+.1f} % from {sizes[0]:,} to {sizes[1]:,} rows (canned node)"
