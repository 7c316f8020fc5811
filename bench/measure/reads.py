"""Client CPU a wallet: the shipped sweep on either rung, and the peers, each reading the same wallets from the same node.

A peer only reads. The sweep also selects and writes rows: its event loop's thread does the reading and all that the actors do, other
threads hand rows to Postgres, so the thread is what is compared with the peers' reading, and the whole process is shown beside it. What a
start costs (imports, the config, connections) is taken off on both sides; probing is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from actors.errors import TrueupError
from bench import peers
from bench.node import node
from bench.report import Report, Table, interleaved, ratio, spread
from bench.scene import RUNGS, Scale, Stage, Start, not_built, rung, rungs, source_words, stage, wallet_file

PEER_CHUNK = 500
# Name, where it is installed, its driver, further words, wallets in a full run.
DRIVERS = (
    ("multicall.py", "multicall_py", "reads.py", ("multicall.py",), 20_000),
    ("viem", "viem", "reads.mjs", (), 20_000),
    ("dank_mids", "dank_mids", "reads.py", (), 1_000),
    ("web3.py", "multicall_py", "reads.py", ("web3.py",), 2_000),
)


@dataclass(frozen=True)
class Cost:
    """What reading cost: CPU milliseconds a thousand wallets (`whole`: with the writing), and wallets a second."""

    cpu: float
    whole: float
    rate: float


def _trueup(stage: Stage, http: str, name: str, start: Start) -> Cost:
    done = stage.sweep(http, rung(name))
    reading, whole = done.first_thread_secs - start.first_thread_secs, done.cpu_secs - start.cpu_secs
    return Cost(reading * 1e6 / stage.rows, whole * 1e6 / stage.rows, stage.rows / done.wall_secs)


def _peer(name: str, driver: str, words: tuple[str, ...], http: str, path: Path) -> Cost:
    said, _ = peers.drive(name, driver, *words, http, path, PEER_CHUNK, *source_words())
    if said["wrong"]:
        raise TrueupError(f"{name}: {said['wrong']} sums are not the truth")
    cpu = said["cpu_secs"] * 1e6 / said["wallets"]
    return Cost(cpu, cpu, said["wallets"] / said["wall_secs"])


def run(scale: Scale) -> Report:
    """See the module."""
    report = Report("reads")
    rows = scale.of(1_000_000, 20_000)  # a start's own spread must be little beside the reading
    with stage(rows) as ground, node(rows) as anvil:
        there = rungs(ground.folder, ground.url)
        report.notes += not_built(there)
        start = ground.start(anvil.http, rung(there[0]))
        gone = scale.missing(*dict.fromkeys(driver[1] for driver in DRIVERS))
        measures: dict[str, Callable[[], Cost]] = {f"trueup {name}": partial(_trueup, ground, anvil.http, name, start) for name in there}
        for name, place, driver, words, most in DRIVERS:
            if place in gone:
                report.notes.append(f"{name}: {gone[place]}")
            else:
                path = wallet_file(ground.folder, most if not scale.quick else most // 50)
                measures[name] = partial(_peer, place, driver, words, anvil.http, path)
        costs = _all_that_work(scale, measures, report)
    report.tables.append(_table(costs))
    _headlines(report, costs)
    return report


def _all_that_work(scale: Scale, measures: dict[str, Callable[[], Cost]], report: Report) -> dict[str, list[Cost]]:
    """A peer that does not run is no reason to measure nothing."""

    def careful(name: str, measure: Callable[[], Cost]) -> Cost | None:
        try:
            return measure()
        except TrueupError as error:
            if name.startswith("trueup"):
                raise
            report.notes.append(f"{name}: does not run: {str(error).splitlines()[-1]}")
            return None

    found = interleaved(scale.rounds, {name: partial(careful, name, measure) for name, measure in measures.items()}, scale.show)
    return {name: [one for one in costs if one] for name, costs in found.items() if all(costs)}


def _table(costs: dict[str, list[Cost]]) -> Table:
    base = costs.get("multicall.py")
    table = Table(
        f"Client CPU, milliseconds for 1,000 wallets (peers: {PEER_CHUNK} a call; trueup: {RUNGS})",
        ["client", "reading", "with its writing", "wallets/s", "multicall.py needs"],
    )
    for name, values in costs.items():
        ours = name.startswith("trueup")
        whole = spread([v.whole for v in values]) if ours else "-"
        more = ratio([b.cpu for b in base], [v.cpu for v in values]) if base else "-"
        table.rows.append([name, spread([v.cpu for v in values]), whole, spread([v.rate for v in values]), more])
    return table


def _headlines(report: Report, costs: dict[str, list[Cost]]) -> None:
    def less(peer: str, own: str) -> str | None:
        if peer not in costs or own not in costs:
            return None
        over, under = costs[peer], costs[own]
        whole = ratio([o.cpu for o in over], [u.whole for u in under])
        return f"{ratio([o.cpu for o in over], [u.cpu for u in under])}; its writing included: {whole}"

    packed = [f"{peer}: {found}" for peer in ("multicall.py", "viem") if (found := less(peer, "trueup packed"))]
    report.headlines["cpu_packed"] = "; ".join(packed) or "; ".join(report.notes)
    report.headlines["cpu_multicall3"] = less("multicall.py", "trueup multicall3") or "; ".join(report.notes)
    if "multicall.py" in costs:
        report.notes.append(f"rounds: {len(costs['multicall.py'])}; a start of trueup, taken off, is not a wallet's cost")
