"""Ponder's project run over a chain's past, with its own throttle lifted."""

from __future__ import annotations

import os
import re
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psycopg

from actors.errors import TrueupError
from actors.sandbox.process import die_with_parent, free_port, stop
from bench import database, peers
from bench.past import Past
from bench.scene import source_words
from bench.state import TOKEN

TABLE = "bench.balances"
ENTRY = "node_modules/ponder/dist/esm/bin/ponder.js"
THROTTLE = re.compile(r"const (INITIAL_MAX_RPS|MIN_RPS|MAX_RPS) = \d+;")
START_SECS = 120


@dataclass(frozen=True)
class Indexed:
    """Seconds until the process answered, from then until every row was the truth (`None`: not within the limit), and how many rows
    there were in the end.
    """

    start_secs: float
    secs: float | None
    rows: int


def unthrottled() -> None:
    """Ponder begins at 20 requests a second, whatever the node can do; it is compared without that."""
    path = peers.INSTALLED / "ponder" / "node_modules/ponder/dist/esm/rpc/index.js"
    text, changed = THROTTLE.subn(lambda found: f"const {found[1]} = 100000;", path.read_text())
    if changed != 3:
        raise TrueupError("ponder: its throttle is not where it was")
    path.write_text(text)


def index(past: Past, url: str, folder: Path, limit_secs: float) -> Indexed:
    """Start it on an empty database and wait until its table is right. Raises TrueupError where it ends."""
    unthrottled()
    port, log = free_port(), folder / "ponder.log"
    words = ("start", "--schema", "bench", "--port", str(port), "--hostname", "127.0.0.1", "--log-level", "warn")
    settings = {
        "BENCH_DATABASE": url,
        "BENCH_HTTP": past.anvil.http,
        "BENCH_TOKEN": TOKEN,
        "BENCH_FROM": str(past.first),
        "BENCH_TO": str(past.last),
        "BENCH_SOURCES": " ".join(source_words()),
        "PONDER_TELEMETRY_DISABLED": "1",
    }
    with log.open("wb") as out:
        process = subprocess.Popen(
            peers.command("ponder", ENTRY, *words),
            stdout=out,
            stderr=out,
            cwd=peers.INSTALLED / "ponder",
            env={**os.environ, **settings},
            preexec_fn=die_with_parent,
        )
    try:
        return _watched(process, port, url, log, limit_secs)
    finally:
        stop(process, 15)


def _watched(process: subprocess.Popen[bytes], port: int, url: str, log: Path, limit_secs: float) -> Indexed:
    began = time.monotonic()
    while not _answers(port):
        if process.poll() is not None or time.monotonic() > began + START_SECS:
            raise TrueupError(f"ponder does not start: {log.read_text()[-500:]}")
        time.sleep(0.05)
    started = time.monotonic()
    while True:
        rows, wrong = _state(url)
        took = time.monotonic() - started
        if rows and not wrong:
            return Indexed(started - began, took, rows)
        if took > limit_secs:
            return Indexed(started - began, None, rows)
        if process.poll() is not None:
            raise TrueupError(f"ponder ended: {log.read_text()[-500:]}")
        time.sleep(0.2)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _state(url: str) -> tuple[int, int]:
    """Rows, and how many are not the truth."""
    try:
        with psycopg.connect(url) as conn:
            found = conn.execute(f"select count(*) from {TABLE}".encode()).fetchone()
        return (found[0] if found else 0), database.wrong(url, table=TABLE)
    except psycopg.errors.UndefinedTable:
        return 0, 1
