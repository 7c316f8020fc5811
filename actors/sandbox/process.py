"""Child processes that never outlive us: our own SIGKILL ends them too, where the kernel can do that (Linux)."""

from __future__ import annotations

import ctypes
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """For `preexec_fn`. It is the death of the *thread* that counts, so start children from the main thread only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)


def start(command: Sequence[str | Path], log: Path) -> subprocess.Popen[bytes]:
    """Start a child whose output goes to a file. It is in a group of its own: a terminal's Ctrl-C is for us, who stop it after all else."""
    with log.open("ab") as out:
        return subprocess.Popen(
            list(map(str, command)), stdin=subprocess.DEVNULL, stdout=out, stderr=out, preexec_fn=die_with_parent, process_group=0
        )


def stop(process: subprocess.Popen[bytes], number: int) -> None:
    """Ask it to end, and insist after ten seconds."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
