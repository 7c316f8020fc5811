"""Child processes that never outlive us: our own SIGKILL ends them too, where the kernel can do that (Linux)."""

from __future__ import annotations

import ctypes
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from actors.errors import TrueupError

PR_SET_PDEATHSIG = 1
INSIST_SECS = 30
PORTS = range(10_100, 32_000)  # below those that Linux gives to whoever connects, and above 10080, which browsers refuse
PORTS_EACH = 64
_numbers = itertools.count(PORTS_EACH * os.getpid())


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
    """Ask it to end, and insist after half a minute."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        try:
            process.wait(INSIST_SECS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    """A port that nobody listens on at the moment, and that nobody is likely to take before whoever asks has opened it.

    One that the kernel finds would be: it gives the same to the next process that asks, and to any outgoing connection. So these are below the
    ports that it gives away, and each process begins elsewhere.
    """
    for number in itertools.islice(_numbers, len(PORTS)):
        if is_free(port := PORTS[number % len(PORTS)]):
            return port
    raise TrueupError("every port is taken")


def is_free(port: int) -> bool:
    """Whether nobody listens there at the moment."""
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
