"""Kills a Python that runs something of the sandbox, and looks whether that outlives it."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time

PROGRAM = """
{import_started}
import sys
with Started() as started:
    print(started.port, flush=True)
    sys.stdin.read()
"""
PATIENCE_SECS = 60


def outlived(import_started: str) -> bool:
    """Whether what was started still listens after its parent's SIGKILL."""
    command = [sys.executable, "-c", PROGRAM.format(import_started=import_started)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        port = int(parent.stdout.readline())
        with socket.create_connection(("127.0.0.1", port)) as connection:
            parent.kill()
            return not _closed(connection) or _listens(port)


def _closed(connection: socket.socket) -> bool:
    """Whether the other end hangs up, within some patience."""
    readable, _, _ = select.select([connection], [], [], PATIENCE_SECS)
    return bool(readable)


def _listens(port: int) -> bool:
    deadline = time.monotonic() + PATIENCE_SECS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return False
        except ConnectionResetError:  # it is on its way out
            continue
    return True
