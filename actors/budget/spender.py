"""Who spends: a context variable that the supervisor sets for each actor, and the batcher for each batch. Tasks inherit it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

SWEEPER, AUDIT, BACKFILL = "sweeper", "audit", "backfill"
PATIENT = (SWEEPER, AUDIT, BACKFILL)  # what they spend says nothing of what live events will


@dataclass
class Spender:
    """An actor by its kind. `live`: it waits for the window alone; `patient`: each of its calls waits as a batch of the sweep does;
    `last`: and longer, it takes what the sweep leaves. `prepaid`: units that were counted when the call was admitted.
    """

    actor: str = "other"
    live: bool = True
    prepaid: int = 0
    patient: bool = False
    last: bool = False


_spender: ContextVar[Spender | None] = ContextVar("spender", default=None)


def spender() -> Spender:
    """Whoever runs this task."""
    return _spender.get() or Spender()


def spend_as(actor: str) -> None:
    """What this task spends, and those that it starts, is that actor's; `batcher:ethereum` is a batcher."""
    _spender.set(Spender(actor.split(":")[0]))


@contextmanager
def spending(who: Spender) -> Iterator[None]:
    """As above, inside the block and in the tasks that are started there."""
    token = _spender.set(who)
    try:
        yield
    finally:
        _spender.reset(token)
