"""Progress of long commands: a bar where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import sys
import time
from typing import TextIO

WIDTH = 30


def duration(secs: float) -> str:
    """Seconds as `1h02m`, `3m20s` or `12s`."""
    whole = int(secs)
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
    return f"{whole // 60}m{whole % 60:02d}s" if whole >= 60 else f"{whole}s"


class Progress:
    """`at(done, total)` whenever something was done; `end()` at the end."""

    def __init__(self, what: str, unit: str, stream: TextIO | None = None) -> None:
        self._what, self._unit, self._stream = what, unit, stream or sys.stderr
        self._began = time.monotonic()
        self._before: int | None = None
        self._shown = -1

    def line(self, done: int, total: int) -> str:
        """One line: share, rate and time left. What was done when it was first shown was done by an earlier run, in its own time."""
        if self._before is None:
            self._before, self._began = done, time.monotonic()
        secs = max(time.monotonic() - self._began, 1e-9)
        rate = max(0, done - self._before) / secs
        left = duration((total - done) / rate) if rate and total > done else "0s"
        share = min(1.0, done / total) if total else 1.0
        bar = "#" * int(share * WIDTH)
        return f"{self._what} [{bar:<{WIDTH}}] {share:4.0%}  {done}/{total} {self._unit}  {rate:,.0f}/s  {left} left"

    def at(self, done: int, total: int) -> None:
        """Show where it stands: at each call on a terminal, at each tenth elsewhere."""
        if self._stream.isatty():
            self._stream.write("\r\x1b[K" + self.line(done, total))
            self._stream.flush()
            return
        tenth = done * 10 // total if total else 10
        if tenth != self._shown:
            self._shown = tenth
            print(self.line(done, total), file=self._stream, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._stream.isatty():
            self._stream.write("\n")
