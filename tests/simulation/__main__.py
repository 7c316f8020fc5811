"""`python -m tests.simulation`: many histories with the figures of what was in them, or one with its trace."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.history import Report, run

SHOWN = ("kills", "process crashes", "freezes", "forks", "reorgs healed", "episodes", "faults", "checkpoint moves", "readings written")


def reports(seeds: range, jobs: int) -> Iterator[Report]:
    """The histories' reports, in the order of their seeds."""
    if jobs == 1:
        yield from map(run, seeds)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(run, seeds, chunksize=4)


def total(of: Counter[str], secs: float, histories: int) -> str:
    """What was in them."""
    figures = ", ".join(f"{of[name]:,} {name}" for name in SHOWN)
    return f"{histories:,} histories, {secs / 3600:,.1f} simulated hours: {figures}"


def main() -> int:
    """Exit 1 where a promise was broken."""
    words = argparse.ArgumentParser(prog="just simulate", description=__doc__)
    words.add_argument("--seeds", type=int, default=200, metavar="N", help="how many histories (200)")
    words.add_argument("--first", type=int, default=1, metavar="SEED", help="the first one's seed (1)")
    words.add_argument("--seed", type=int, metavar="SEED", help="replay one history, with its trace")
    words.add_argument("--for", type=float, dest="secs", metavar="SECONDS", help="stop beginning new ones after so long")
    words.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes at once")
    words.add_argument("--stop", action="store_true", help="stop at the first broken promise")
    asked = words.parse_args()
    if asked.seed is not None:
        report = run(asked.seed, lambda line: print(line))
        print(f"{report.setting}\ndigest {report.digest}")
        return int(report.broken is not None)
    return many(asked)


def many(asked: argparse.Namespace) -> int:
    """Run them, and say what was in them."""
    counts: Counter[str] = Counter()
    began, virtual, done, broken, last = time.monotonic(), 0.0, 0, 0, 0.0
    for report in reports(range(asked.first, asked.first + asked.seeds), asked.jobs):
        counts, virtual, done = counts + report.counts, virtual + report.virtual_secs, done + 1
        if report.broken is not None:
            broken += 1
            print(f"seed {report.seed}: {report.broken}", flush=True)
        took = time.monotonic() - began
        if sys.stderr.isatty() and took - last > 0.5:
            last = took
            print(f"\r{done}/{asked.seeds}, {broken} broken, {(asked.seeds - done) * took / done:.0f} s left ", end="", file=sys.stderr)
        if (asked.stop and broken) or (asked.secs is not None and took > asked.secs):
            break
    print(total(counts, virtual, done))
    print(f"{broken} with a broken promise, in {time.monotonic() - began:.0f} s")
    return int(broken > 0)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # histories that were begun and are not wanted any more end with it
