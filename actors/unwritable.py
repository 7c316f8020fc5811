"""Rows that take no value: what Postgres says of them is the row's fault alone, and the wallet is set aside with it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import psycopg

from actors.log import get_logger
from actors.messages import Failed, Touch

# A value that a column cannot hold, a constraint, another program's trigger, a limit such as an index row's size.
ONE_ROWS_FAULT = (
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.errors.RaiseException,
    psycopg.errors.ProgramLimitExceeded,
)
T = TypeVar("T")
R = TypeVar("R")
log = get_logger("writer")


async def by_halves(
    items: Sequence[T], work: Callable[[Sequence[T]], Awaitable[R]], alone: Callable[[T, psycopg.Error], Awaitable[R]]
) -> list[R]:
    """Do the work with all items; where that is one row's fault, with halves of them until it is `alone`."""
    try:
        return [await work(items)]
    except ONE_ROWS_FAULT as error:
        if len(items) == 1:
            return [await alone(items[0], error)]
    middle = len(items) // 2
    return await by_halves(items[:middle], work, alone) + await by_halves(items[middle:], work, alone)


def unwritable(touch: Touch, branch: int, error: psycopg.Error) -> Failed:
    """What becomes of a touch whose row cannot be written, once its write has failed alone."""
    reason = str(error).splitlines()[0]
    log.error("row cannot be written", asset=touch.asset, wallet="0x" + touch.wallet.hex(), reason=reason)
    return Failed(touch, f"cannot be written: {reason}", branch)
