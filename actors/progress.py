"""Progress: what the watchdog sees of an actor that holds work.

An actor opens an *effort* around what it has in hand. The effort is as old as its last beat: every attempt of a named retry (a node or
Postgres that is away) is one, and while it waits for another actor it is not judged at all, since then the other one is. The watchdog kills
an actor with an effort that is too old: a Postgres that froze in the middle of a statement, or a bug that waits for what never comes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import trio

_FOREVER = float("inf")


class Efforts:
    """One actor's open efforts."""

    def __init__(self) -> None:
        self.open: list[Effort] = []

    def oldest_beat(self) -> float:
        """When the effort that is longest without progress made its last; infinity where there is nothing to judge."""
        return min((effort.beat_at for effort in self.open), default=_FOREVER)


class Effort:
    """Work in hand, and when it last came on."""

    def __init__(self) -> None:
        self.beat_at = trio.current_time()


_efforts: ContextVar[Efforts] = ContextVar("efforts")
_effort: ContextVar[Effort | None] = ContextVar("effort", default=None)


def account_to(efforts: Efforts) -> None:
    """The efforts of this task, and of those that it starts, are that actor's."""
    _efforts.set(efforts)
    _effort.set(None)  # whoever started it may hold work of its own


@contextmanager
def effort() -> Iterator[None]:
    """Hold work: from now on beats are due."""
    efforts, own = _efforts.get(None), Effort()
    if efforts is None:  # no actor: a command, or a test of a part
        yield
        return
    efforts.open.append(own)
    token = _effort.set(own)
    try:
        yield
    finally:
        _effort.reset(token)
        efforts.open.remove(own)


def beat() -> None:
    """The effort in hand has come on, or tries again."""
    if (own := _effort.get()) is not None:
        own.beat_at = trio.current_time()


@contextmanager
def waiting_for_others() -> Iterator[None]:
    """Nothing is due of this effort meanwhile: another actor has to come on."""
    own = _effort.get()
    if own is None:
        yield
        return
    own.beat_at = _FOREVER
    try:
        yield
    finally:
        own.beat_at = trio.current_time()
