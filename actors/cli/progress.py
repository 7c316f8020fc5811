"""Progress of long commands: a bar where there is a terminal, plain lines where there is none."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

WIDTH = 30
LINE_EVERY_SECS = 30.0  # where there is no terminal: a long command must not seem to stand still


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
        self._shown, self._shown_at = -1, 0.0

    def line(self, done: int, total: int, columns: int = 1000) -> str:
        """One line: share, rate and time left. What was done when it was first shown was done by an earlier run, in its own time.

        In a terminal of few columns the bar is shorter: a line that wraps cannot be drawn over.
        """
        if self._before is None:
            self._before, self._began = done, time.monotonic()
        secs = max(time.monotonic() - self._began, 1e-9)
        rate = max(0, done - self._before) / secs
        left = duration((total - done) / rate) if rate else "0s" if done >= total else "?"
        share = min(1.0, done / total) if total else 1.0
        rest = f" {share:4.0%}  {done}/{total} {self._unit}  {rate:,.0f}/s  {left} left"
        width = min(WIDTH, columns - len(self._what) - len(rest) - 4)
        bar = f" [{'#' * int(share * width):<{width}}]" if width > 2 else ""
        return f"{self._what}{bar}{rest}"[: columns - 1]

    def at(self, done: int, total: int) -> None:
        """Show where it stands: at each call on a terminal; at each tenth, and now and then in between, elsewhere."""
        if self._stream.isatty():
            self._stream.write("\r\x1b[K" + self.line(done, total, shutil.get_terminal_size().columns))
            self._stream.flush()
            return
        tenth = done * 10 // total if total else 10
        if tenth != self._shown or time.monotonic() - self._shown_at >= LINE_EVERY_SECS:
            self._shown, self._shown_at = tenth, time.monotonic()
            print(self.line(done, total), file=self._stream, flush=True)

    def end(self) -> None:
        """Leave the line."""
        if self._stream.isatty():
            self._stream.write("\n")
