"""`RESULTS.md`, written from the last full run of each benchmark; kept as JSON in between."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from actors.sandbox import fetch_anvil
from actors.sandbox.postgres import binaries
from bench import peers
from bench.database import DURABLE
from bench.report import Report, Table

HERE = Path(__file__).parent
KEPT = HERE / ".results"
# What must be shown: key, what, at least, aim.
HEADLINES = (
    ("cpu_packed", "client CPU a wallet, packed at 5,000 a call, less than multicall.py / viem", "100x / 200x", "150x / 300x"),
    ("cpu_multicall3", "client CPU a wallet, Multicall3 rung, less than multicall.py", "12x", "18x"),
    ("client_alone", "client alone on the canned node, over anvil's own two-connection ceiling", "2.5x", "3.5x"),
    ("sweep_bound", "full sweep of a million rows, of the ceiling 1/(1/node + 1/Postgres) of that run", "88 %", "100 %"),
    ("sweep_peer", "the same, over multicall.py with executemany", "13x", "17x"),
    ("sweep_share", "the service's share of all CPU spent on that sweep", "13 %", "9 %"),
    ("sweep_memory", "peak memory of that sweep; its growth from 100,000 to 3,000,000 rows", "110 MB; 5 %", "80 MB; 0"),
    ("bytes_gas", "bytes a wallet, both ways / gas a holder over the cold loads alone", "110 / 1.45x", "76 / 1.38x"),
    ("calls_units", "eth_calls and compute units for 3.15 million wallets under a 50 M gas cap", "700 / 20,000", "580 / 15,200"),
    ("live", "mined to committed in `heads`, 200 transfers a block, p50 / p99 less than web3.py with multicall.py", "7x / 4x", "11x / 8x"),
    ("live_load", "2,000 transfers a block, 2 blocks a second, for a minute", "lag does not grow", "p99 under 100 ms"),
    ("backfill", "the table right after 50,000 past transfers, less time than Ponder unthrottled for the same table", "50x", "500x"),
    ("logs", "log extraction alone, of cryo's rate", "60 %", "120 %"),
    ("startup_help", "`trueup --help`, on a warm machine", "300 ms", "150 ms"),
    ("startup_run", "`trueup run` until every actor has started, on a warm machine", "1,500 ms", "700 ms"),
    ("snapshot", "oldest-first select while a snapshot is held for a whole lap, of the batch's write time", "10 %", "5 %"),
)


def machine() -> str:
    """Cores, memory and processor."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = next((line.partition(":")[2].strip() for line in info.splitlines() if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{len(os.sched_getaffinity(0))} cores of {model}, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def versions() -> str:
    """Of what was measured, and of what it was measured with."""
    server = subprocess.run([binaries() / "postgres", "--version"], capture_output=True, text=True).stdout.strip()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=HERE).stdout.strip()
    own = f"trueup {version('trueup')}" if _has("trueup") else "trueup"
    settings = ", ".join(f"{name}={value}" for name, value in DURABLE.items())
    others = "; ".join(f"{name}: {peers.versions(name)}" for name in peers.PEERS)
    return f"{own} at {commit}, Python {platform.python_version()}, {server} ({settings}), anvil {fetch_anvil.VERSION}. Peers: {others}"


def _has(name: str) -> bool:
    try:
        version(name)
    except ModuleNotFoundError:
        return False
    return True


def keep(report: Report) -> None:
    """Remember a full run."""
    KEPT.mkdir(exist_ok=True)
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    kept = {"report": dataclasses.asdict(report), "date": now, "machine": machine(), "versions": versions()}
    (KEPT / f"{report.name}.json").write_text(json.dumps(kept, indent=1))


def write(order: list[str]) -> Path:
    """Write `RESULTS.md` from what is kept."""
    found: dict[str, dict[str, Any]] = {name: json.loads((KEPT / f"{name}.json").read_text()) for name in order if (KEPT / f"{name}.json").exists()}
    measured = {key: text for kept in found.values() for key, text in kept["report"]["headlines"].items()}
    table = Table("What it must show", ["", "at least", "aim", "measured"])
    table.rows = [[what, least, aim, measured.get(key, "not measured")] for key, what, least, aim in HEADLINES]
    parts = ["# Benchmarks", "Written by `just bench`. Medians of one run, side by side, with their spread in brackets.", table.markdown()]
    for name, kept in found.items():
        report = Report(**{**kept["report"], "tables": [Table(**one) for one in kept["report"]["tables"]]})
        about = f"{kept['date']}, on {kept['machine']}.\n\n{kept['versions']}."
        parts += [f"## {name}", about, report.markdown()]
    path = HERE / "RESULTS.md"
    path.write_text("\n\n".join(parts) + "\n")
    return path
