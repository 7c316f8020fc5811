"""Two small C programs, built when they are first needed: the canned node, and the load generator that finds a real node's ceiling."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.errors import TrueupError
from actors.sandbox.process import free_port, start, stop
from bench.state import GAS_LIMIT

SOURCE = Path(__file__).parent
BUILT = SOURCE.parent / ".built"
# What a holder costs in a real call (the benchmark `cost` bisects it); only the size that a client finds by itself depends on them.
GAS_PACKED, GAS_MULTICALL3 = 8_700, 19_000
READY_SECS = 10


def built(name: str) -> Path:
    """The program, compiled where its source is newer. Raises TrueupError where there is no C compiler."""
    program, source = BUILT / name, SOURCE / f"{name}.c"
    newest = max(path.stat().st_mtime for path in (source, SOURCE / "http.h"))
    if not program.exists() or program.stat().st_mtime < newest:
        compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        if compiler is None:
            raise TrueupError("no C compiler: the canned node and the load generator cannot be built")
        BUILT.mkdir(exist_ok=True)
        subprocess.run([compiler, "-O2", "-Wall", "-Wextra", "-pthread", "-o", str(program), str(source)], check=True)
    return program


@dataclass(frozen=True)
class Canned:
    """A running canned node."""

    port: int
    pid: int

    @property
    def http(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}"

    def counts(self) -> dict[str, int]:
        """Calls by method."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", "/", json.dumps({"id": 1, "method": "canned_counts", "params": []}, separators=(",", ":")))
        found: dict[str, int] = json.loads(connection.getresponse().read())["result"]
        connection.close()
        return found


@contextmanager
def canned(gas_packed: int = GAS_PACKED, gas_multicall3: int = GAS_MULTICALL3, gas_cap: int = GAS_LIMIT) -> Iterator[Canned]:
    """A canned node that lets a call have `gas_cap`."""
    port = free_port()
    process = start([built("node"), str(port), str(gas_cap), str(gas_packed), str(gas_multicall3)], Path("/dev/null"))
    try:
        _wait(port)
        yield Canned(port, process.pid)
    finally:
        stop(process, signal.SIGTERM)


def _wait(port: int) -> None:
    deadline = time.monotonic() + READY_SECS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def replay(port: int, body: bytes, connections: int, secs: float, folder: Path) -> float:
    """Answers a second of a node to one body, over so many connections."""
    path = folder / "body"
    path.write_bytes(body)
    done = subprocess.run([built("replay"), str(port), str(connections), str(secs), str(path)], capture_output=True, text=True)
    if done.returncode:
        raise TrueupError(f"replay: the node does not answer as it should ({done.returncode})")
    answers, took, _ = done.stdout.split()
    return int(answers) / float(took)
