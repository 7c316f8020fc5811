"""The terminal as a screen: drawn in place, left as it was. What is no terminal is never touched."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

from actors.cli.top_page import STYLES, Line

# The other screen, no cursor, no wrapping: a sign that is wider than we think must not push the next line down.
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l\x1b[?7l", "\x1b[?7h\x1b[?25h\x1b[?1049l"
ENDS = "qQ\x03\x04"


def is_terminal() -> bool:
    """Whether somebody looks on and can type."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def render(line: Line, width: int, colour: bool = True) -> str:
    """One line, cut to the width."""
    shown, left = "", width
    for style, text in line:
        text = text[:left]
        left -= len(text)
        shown += f"\x1b[{STYLES[style]}m{text}\x1b[0m" if style and colour and text else text
    return shown


class Screen:
    """Draws pages, and hears keys."""

    def __init__(self) -> None:
        self._colour = "NO_COLOR" not in os.environ

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines, now; not what an environment variable says that they once were."""
        size = os.get_terminal_size(sys.stdout.fileno())
        return size.columns, size.lines

    def draw(self, lines: Sequence[Line]) -> None:
        """Put a page over the last one."""
        width, height = self.size
        shown = "\x1b[K\r\n".join(render(line, width, self._colour) for line in lines[:height])
        sys.stdout.write(f"\x1b[H{shown}\x1b[K\x1b[J")
        sys.stdout.flush()

    def ends_within(self, secs: float) -> bool:
        """Whether a key asks to end within that time; other keys are passed over."""
        ready, _, _ = select.select([sys.stdin], [], [], secs)
        typed = os.read(sys.stdin.fileno(), 64) if ready else b"-"
        return not typed or any(key in ENDS for key in typed.decode("latin-1"))


@contextmanager
def full_screen() -> Iterator[Screen]:
    """Take the terminal over, and give it back however this ends. A termination is an interruption; to stop it half-way is not possible."""
    import termios
    import tty

    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTSTP)}
    try:
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        tty.setcbreak(fd)
        termios.tcsetattr(fd, termios.TCSADRAIN, _keys_alone(termios.tcgetattr(fd)))
        sys.stdout.write(ENTER)
        yield Screen()
    finally:
        sys.stdout.write(LEAVE)
        sys.stdout.flush()
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _keys_alone(mode: list[Any]) -> list[Any]:
    """Ctrl-C is a key like q. As a signal it was lost once in a hundred times on a busy machine; and Ctrl-S would hold the page up, and the keys."""
    import termios

    mode[0] &= ~termios.IXON
    mode[3] &= ~termios.ISIG
    return mode


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
