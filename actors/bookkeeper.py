"""The bookkeeper: writes what calls to nodes have cost into Postgres, and tells each chain's budget what the month has cost so far.

Takes: the budgets' tallies, which live beside the mailboxes. On crash or kill: what was not committed is still in the tally. On drain, which
comes after everybody else's: writes once more. A unit whose answer was lost may be counted twice, never not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import trio

from actors.budget.gate import Budget
from actors.log import get_logger
from actors.ports import Store
from actors.progress import effort
from actors.store import spend

BOOK_EVERY_SECS = 5.0
DAYS = 31
log = get_logger("bookkeeper")


async def run(budgets: Sequence[Budget], store: Store, drained: trio.Event, *, task_status: trio.TaskStatus[None]) -> None:
    """Until drained."""
    task_status.started()
    last = False
    while not last:
        last = drained.is_set()
        for budget in list(budgets):
            with effort():
                await book(budget, store)
        if not last:
            with trio.move_on_after(BOOK_EVERY_SECS):
                await drained.wait()


async def book(budget: Budget, store: Store) -> None:
    """One transaction, and what it says of the month; no await between its end and the tally's."""
    written = budget.tally.unsaved()
    month = await store.patiently(spend.book, budget.chain, written, budget.starts_on)
    budget.tally.saved(written)
    budget.governor.booked(replace(month, units=month.units + budget.tally.units))
    _warn(budget, month.units)
    budget.by_day = await store.patiently(spend.by_day, budget.chain, DAYS)


def _warn(budget: Budget, units: int) -> None:
    """Say once a month that its cap is reached."""
    cap = budget.governor.cap
    if cap and units >= cap and not budget.warned:
        log.warning("the month's units are spent: the sweep waits, live events go on", chain=budget.chain, spent=units, cap=cap)
    budget.warned = bool(cap) and units >= cap
