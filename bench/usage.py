"""CPU and memory of processes, from /proc."""

from __future__ import annotations

import os
import threading
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
POLL_SECS = 0.02


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; none where the process has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def cpu_secs(pid: int) -> float:
    """User and system time of a process and all its children, those included that have ended."""
    fields = _stat(pid)
    own = sum(map(int, fields[11:15])) / TICK if fields else 0.0
    return own + sum(map(cpu_secs, _children(pid)))


class Watch(threading.Thread):
    """Watches a process that somebody else reaps: its peak memory and its first thread's CPU, until it ends."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._over = threading.Event()
        self.peak_mb = self.first_thread_secs = 0.0
        self.start()

    def run(self) -> None:
        """Poll. Both values only grow, so that the last poll is short of the truth by what the last few milliseconds added."""
        while not self._over.wait(POLL_SECS):
            try:
                status = Path(f"/proc/{self._pid}/status").read_text()
                ran = Path(f"/proc/{self._pid}/task/{self._pid}/schedstat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                return
            if "VmHWM:" in status:
                self.peak_mb = int(status.split("VmHWM:")[1].split()[0]) / 1024
                self.first_thread_secs = int(ran.split()[0]) / 1e9

    def end(self) -> None:
        """No more."""
        self._over.set()
        self.join()
