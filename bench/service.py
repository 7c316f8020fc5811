"""The shipped program as a process: its config, and one command run and measured."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.errors import TrueupError
from actors.sandbox.process import die_with_parent
from bench.database import TABLE
from bench.state import SOURCES, TOKEN
from bench.usage import Watch

TRANSFER = "Transfer(address indexed from, address indexed to, uint256 value)"
LONGEST_SECS = 900
NOT_BUILT = "packed: not built yet"


@dataclass(frozen=True)
class Done:
    """What a command used. `cpu_secs` is the process's, `first_thread_secs` of it the event loop's: the rest goes to Postgres."""

    wall_secs: float
    cpu_secs: float
    first_thread_secs: float
    peak_mb: float
    out: str


class Program:
    """trueup with one chain and one asset, that of `bench.state`."""

    def __init__(self, folder: Path, database: str, http: str, ws: str = "", chain: str = "", more: str = "", server: str = "") -> None:
        self._path = folder / "bench.toml"
        sources = ", ".join(f'{{ contract = "{contract}", call = "{call}" }}' for contract, call in SOURCES)
        self._path.write_text(f"""
[database]
url = "{database}"
[server]
bind = "{server}"
[[chain]]
name = "bench"
chain_id = 1
http = ["{http}"]
ws = [{f'"{ws}"' if ws else ""}]
{chain}
[[asset]]
name = "BENCH"
chain = "bench"
table = "{TABLE}"
checkpoint = "bench"
sources = [{sources}]
triggers = [{{ contract = "{TOKEN}", event = "{TRANSFER}", wallets = ["from", "to"] }}]
{more}
""")

    def command(self, *words: str) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "actors", words[0], "-c", str(self._path), *words[1:]]

    def run(self, *words: str) -> Done:
        """One command to its end. Raises TrueupError where it fails."""
        return measured(self.command(*words))

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """`trueup run` meanwhile."""
        with self._path.with_suffix(".log").open("wb") as log:
            process = subprocess.Popen(self.command("run"), stdout=log, stderr=log, preexec_fn=die_with_parent)
            try:
                yield process
            finally:
                process.terminate()
                process.wait(30)


@contextmanager
def folder() -> Iterator[Path]:
    """A place for configs and logs."""
    with tempfile.TemporaryDirectory(prefix="trueup-bench-") as name:
        yield Path(name)


def measured(command: Sequence[str], cwd: Path | None = None, env: dict[str, str] | None = None) -> Done:
    """Run a command to its end. Raises TrueupError with its last words where it fails."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=cwd, env={**os.environ, **(env or {})}, preexec_fn=die_with_parent
        )
        watch, deadline = Watch(process.pid), threading.Timer(LONGEST_SECS, process.kill)
        deadline.start()
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.end()
        deadline.cancel()
        out.seek(0)
        err.seek(0)
        said, complaint = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    if process.returncode:
        raise TrueupError(f"{Path(command[0]).name} {' '.join(command[1:4])}: {(complaint or said).strip()[-1500:]}")
    return Done(wall, used.ru_utime + used.ru_stime, watch.first_thread_secs, watch.peak_mb, said)
