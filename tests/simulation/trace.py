"""The trace of a history: what happened, in order, with the virtual time. Its digest tells two runs apart; its text is for people."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import fields, is_dataclass

import trio

from tests.simulation.chain import Block


class Trace:
    """Notes lines; keeps their digest, and hands each to `show` where somebody reads along."""

    def __init__(self, show: Callable[[str], object] | None = None) -> None:
        self._digest, self._show = hashlib.blake2b(digest_size=16), show
        self.lines = 0

    def note(self, kind: str, *words: object) -> None:
        """One event."""
        line = f"{trio.current_time():12.4f} {kind:8} " + " ".join(map(_plain, words))
        self._digest.update(line.encode() + b"\n")
        self.lines += 1
        if self._show is not None:
            self._show(line)

    def digest(self) -> str:
        """What two runs of one seed must agree on."""
        return self._digest.hexdigest()


class Lines(logging.Handler):
    """The program's own log lines as part of the trace."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(logging.INFO)
        self._trace = trace

    def emit(self, record: logging.LogRecord) -> None:
        self._trace.note("log", record.name, record.getMessage())
        if record.exc_info and record.exc_info[1] is not None:
            self._trace.note("log", "", repr(record.exc_info[1]))


def _plain(word: object) -> str:
    """A word without addresses in memory, and without the order of a set."""
    if isinstance(word, frozenset | set):
        return "{" + ", ".join(sorted(map(_plain, word))) + "}"
    if isinstance(word, tuple | list):
        return "[" + ", ".join(map(_plain, word)) + "]"
    if isinstance(word, dict):
        return "{" + ", ".join(f"{_plain(key)}: {_plain(value)}" for key, value in word.items()) + "}"
    if isinstance(word, bytes):
        return word.hex()[:12]
    if is_dataclass(word) and not isinstance(word, Block):
        shown = (f"{one.name}={_plain(getattr(word, one.name))}" for one in fields(word))
        return f"{type(word).__name__}({', '.join(shown)})"
    return str(word)
