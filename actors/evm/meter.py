"""What counts requests by what they cost, and lets them wait: a budget. Without one they are free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from actors.errors import Throttled


class Meter(Protocol):
    """`pay` before requests are sent together, which may wait; `refused` where a node asks for fewer."""

    async def pay(self, methods: Sequence[str]) -> None: ...
    def refused(self, retry_after_secs: float | None) -> None: ...


class Free:
    """No budget."""

    async def pay(self, methods: Sequence[str]) -> None:
        """Nothing is due."""

    def refused(self, retry_after_secs: float | None) -> None:
        """Nobody learns of it."""


@contextmanager
def noting_refusals(meter: Meter) -> Iterator[None]:
    """Tell the meter of a refusal that is raised inside."""
    try:
        yield
    except Throttled as error:
        meter.refused(error.retry_after_secs)
        raise


def note_refusals(meter: Meter, results: Iterable[Any]) -> None:
    """Tell the meter of a refusal among a batch's results; several are one."""
    refusal = next((each for each in results if isinstance(each, Throttled)), None)
    if refusal is not None:
        meter.refused(refusal.retry_after_secs)
