"""`just bench [NAMES…] [--quick]`: the benchmarks. See `bench/RESULTS.md` for what the last full run found."""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Sequence

from bench import results
from bench.report import Report
from bench.scene import Scale

NAMES = ["reads", "client", "sweep", "cost", "live", "backfill", "logs", "startup"]


def measure(name: str, scale: Scale) -> Report:
    """Run one benchmark."""
    report: Report = importlib.import_module(f"bench.measure.{name}").run(scale)
    return report


def main(words: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="just bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ({', '.join(NAMES)}); all of them otherwise")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything works; writes no results, installs no peer")
    parser.add_argument("--no-peers", action="store_true", help="trueup alone")
    args = parser.parse_args(words)
    if unknown := set(args.names) - set(NAMES):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    scale = Scale(args.quick, not args.no_peers)
    for name in args.names or NAMES:
        began = time.monotonic()
        print(f"{name}:", flush=True)
        report = measure(name, scale)
        print(f"\n{report.markdown()}\n")
        print("".join(f"{key}: {text}\n" for key, text in report.headlines.items()) + f"({time.monotonic() - began:.0f} s)\n", flush=True)
        if not scale.quick and scale.peers:
            results.keep(report)
            print(f"written: {results.write(NAMES).name}")


if __name__ == "__main__":
    main()
