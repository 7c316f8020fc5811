"""How long a start takes: `--help`, `--version`, and `run` until it is ready, from source, installed, and as the one-file executable.

*Ready* is what systemd hears: every actor has started, Postgres has answered, and the chain's id is the config's. *Doing its job* is `/readyz`
with 200: a head was seen, and its block is closed. All of it on a warm machine: each program has run before, and Python's modules are compiled.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from actors.config import load
from actors.errors import TrueupError
from actors.sandbox.anvil import Anvil
from actors.sandbox.process import die_with_parent, free_port
from actors.sandbox.town import Town
from actors.store import schema
from bench import database, peers, service
from bench.report import Report, Table, interleaved, spread
from bench.scene import Scale

ROOT = Path(__file__).resolve().parents[2]
COMPILED = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
BINARY = ROOT / "dist" / "trueup"
PATIENCE_SECS = 60


@dataclass(frozen=True)
class Start:
    """Milliseconds of one start of each kind."""

    python: float
    version: float
    help: float
    ready: float
    works: float


def run(scale: Scale) -> Report:
    """See the module."""
    report = Report("startup")
    programs = _programs(scale, report)
    with _world() as config:
        for command in programs.values():
            _start(command, config)
        found = interleaved(scale.of(9, 1), {name: partial(_start, command, config) for name, command in programs.items()}, scale.show)
    header = ["", "--help", "--version", "`run` to ready", "`run` to doing its job", "Python alone"]
    table = Table("Milliseconds from the start of the process", header)
    for name, starts in found.items():
        of = {kind: [getattr(start, kind) for start in starts] for kind in Start.__dataclass_fields__}
        table.rows.append([name, *(spread(of[kind]) for kind in ("help", "version", "ready", "works", "python"))])
    report.tables.append(table)
    report.headlines["startup_help"] = _each(found, "help")
    report.headlines["startup_run"] = _each(found, "ready")
    return report


def _each(found: dict[str, list[Start]], kind: str) -> str:
    return "; ".join(f"{name}: {spread([getattr(start, kind) for start in starts], ' ms')}" for name, starts in found.items())


def _programs(scale: Scale, report: Report) -> dict[str, list[str]]:
    """Each way to start trueup that is there."""
    programs = {"from source": [sys.executable, "-m", "actors"]}
    if scale.quick or not scale.peers:
        report.notes.append("installed: left out")
    else:
        programs["installed"] = [_installed()]
    if BINARY.exists():
        programs["one file"] = [str(BINARY)]
        report.notes.append(f"one file: {BINARY.stat().st_size / 1e6:.1f} MB, unpacked anew at each start")
    else:
        report.notes.append("one file: not built (`just build`)")
    return programs


def _installed() -> str:
    """As `pip install` would have it, in an environment of its own."""
    place = peers.INSTALLED / "trueup"
    uv = os.environ.get("UV", "uv")
    venv = [uv, "venv", "-q", "--clear", "--python", sys.executable, str(place)]
    install = [uv, "pip", "install", "-q", "--compile-bytecode", "--python", str(place / "bin" / "python"), str(ROOT)]
    for command in (venv, install):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise TrueupError(f"trueup cannot be installed: {done.stderr[-300:]}")
    return str(place / "bin" / "trueup")


@contextmanager
def _world() -> Iterator[Path]:
    """A config for a Postgres and a chain that are there, with some wallets' traffic on it."""
    with database.postgres() as server, Anvil(block_time=1) as anvil, service.folder() as folder:
        url, path = server.fresh("startup"), folder / "startup.toml"
        path.write_text(f'[database]\nurl = "{url}"\n{Town(anvil, wallets=20).toml()}')
        with psycopg.connect(url) as conn:
            schema.init(conn, load(path))
        yield path


def _start(command: list[str], config: Path) -> Start:
    python = _until_end([sys.executable, "-c", "pass"])
    return Start(python, _until_end([*command, "--version"]), _until_end([*command, "--help"]), *_until_ready([*command, "run", "-c", str(config)]))


def _until_end(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=COMPILED)
    return 1000 * (time.perf_counter() - began)


def _until_ready(command: list[str]) -> tuple[float, float]:
    """Until READY=1, and until /readyz says 200."""
    with service.folder() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(str(folder / "notify"))
        reader.settimeout(PATIENCE_SECS)
        port = free_port()
        env = {**COMPILED, "NOTIFY_SOCKET": str(folder / "notify"), "TRUEUP_SERVER__BIND": f"127.0.0.1:{port}", "TRUEUP_LOG__LEVEL": "error"}
        began = time.perf_counter()
        process = subprocess.Popen(command, env=env, preexec_fn=die_with_parent)
        try:
            if b"READY=1" not in reader.recv(4096):
                raise TrueupError("the first thing said was not that it is ready")
            ready = time.perf_counter() - began
            while not _works(port):
                if time.perf_counter() - began > PATIENCE_SECS:
                    raise TrueupError("it does not do its job")
                time.sleep(0.01)
            return 1000 * ready, 1000 * (time.perf_counter() - began)
        finally:
            process.terminate()
            process.wait(30)


def _works(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
