"""`just fuzz`: every target, or those that are named, by coverage, each in a process of its own; a line for each, and one for what it found."""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.finding import broken_by, place, smaller
from tests.fuzz.targets import named, names

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / ".corpus"
MOST_BYTES, MOST_MIB = 4096, 2048  # of an input, and for it
LATE_SECS = 300  # more than was asked for: an input that never ends
COVERED = re.compile(r"cov: (\d+) ft: \d+ corp: (\d+)")
EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


@dataclass(frozen=True)
class Outcome:
    """How a target's run went. `found`: the input that broke a promise, `words`: the fuzzer's own where it failed by itself."""

    runs: int
    secs: float
    edges: int
    inputs: int
    found: bytes | None
    words: str


def main(argv: Sequence[str] | None = None) -> int:
    """Exit 1 where a promise was broken."""
    words = argparse.ArgumentParser(prog="just fuzz", description=__doc__)
    words.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(names()))
    words.add_argument("--seconds", type=int, default=60, metavar="N", help="for each target (60)")
    words.add_argument("--runs", type=int, metavar="N", help="so many inputs instead")
    words.add_argument("--seed", type=int, default=0, metavar="N", help="of the fuzzer's chances (another one each time)")
    words.add_argument("--data", type=bytes.fromhex, metavar="HEX", help="replay this input of one target")
    asked = words.parse_args(argv)
    if unknown := set(asked.targets) - set(names()):
        words.error(f"no such target: {', '.join(sorted(unknown))}")
    if asked.data is not None:
        return replay(asked.targets, asked.data)
    return int(any([_one(name, asked) for name in asked.targets or names()]))


def replay(targets: Sequence[str], data: bytes) -> int:
    """Run an input again, uninstrumented, and show what it raises."""
    failed = False
    for name in targets:
        error = broken_by(named(name).target, data)
        print("".join(traceback.format_exception(error)) if error else f"{name}: keeps its promises")
        failed |= error is not None
    return int(failed)


def _one(name: str, asked: argparse.Namespace) -> bool:
    """Fuzz a target and say how it went; whether something was found."""
    outcome = run(name, [f"-runs={asked.runs}"] if asked.runs else [f"-max_total_time={asked.seconds}"], asked.seed, asked.seconds)
    print(f"{name:<14} {outcome.runs:>9,} runs {outcome.secs:>6,.0f} s {outcome.edges:>5,} edges {outcome.inputs:>5,} inputs", flush=True)
    if outcome.words:
        print(f"  {outcome.words}", flush=True)
    if outcome.found is not None:
        print(f"  {told(name, outcome.found)}", flush=True)
    return outcome.found is not None or bool(outcome.words)


def run(name: str, flags: Sequence[str], seed: int, secs: int) -> Outcome:
    """Run one target's fuzzer to its end, which is due in so long."""
    corpus, findings = CORPUS / name, CORPUS / "findings" / name
    for folder in (corpus, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(named(name).SEEDS):
        (corpus / f"seed-{number}").write_bytes(data)
    before, began = set(findings.iterdir()), time.monotonic()
    bounds = [f"-max_len={MOST_BYTES}", f"-rss_limit_mb={MOST_MIB}", f"-artifact_prefix={findings}/", f"-seed={seed}"]
    command = [sys.executable, "-m", "tests.fuzz.guided", name, str(corpus), *flags, *bounds, "-print_final_stats=1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False, timeout=secs + LATE_SECS)
    took, new = time.monotonic() - began, sorted(set(findings.iterdir()) - before)
    covered, executed = COVERED.findall(done.stderr), EXECUTED.search(done.stderr)
    edges, inputs = map(int, covered[-1]) if covered else (0, 0)
    failed = "" if done.returncode == 0 or new else f"the fuzzer ended by {done.returncode}: {done.stderr[-1500:]}"
    return Outcome(int(executed[1]) if executed else 0, took, edges, inputs, new[0].read_bytes() if new else None, failed)


def told(name: str, data: bytes) -> str:
    """A finding in words, and how to see it again."""
    target = named(name).target
    error = broken_by(target, data)
    again = f"just fuzz {name} --data {smaller(target, data).hex()}"
    if error is None:
        return f"too slow, too large, or only once: {again}"
    kind, file, line = place(error) or ("", "", 0)
    return f"{kind} at {file.removeprefix(str(ROOT) + '/')}:{line}: {str(error)[:300]!r}: {again}"


if __name__ == "__main__":
    raise SystemExit(main())
