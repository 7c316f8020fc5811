"""The bookkeeper, under virtual time over the store's double: whatever dies, what was spent is in Postgres in the end, once."""

from __future__ import annotations

import logging
import random
from functools import partial

import pytest
import trio
import trio.testing

from actors import bookkeeper
from actors.bookkeeper import BOOK_EVERY_SECS
from actors.budget.gate import Budget
from actors.budget.governor import Governor
from actors.budget.prices import Prices
from actors.child import ChildSpec
from actors.config.keys import SupervisorConfig
from actors.ports import Store
from actors.supervisor import Supervisor
from actors.view import ServiceView
from tests.simulation.postgres import Connection, Host, Postgres
from tests.simulation.tables import Tables
from tests.simulation.trace import Trace

LIMITS = SupervisorConfig(max_restarts=1000)


class Office:
    """A Postgres, and copies of the process that book in it."""

    def __init__(self, cap: int = 0) -> None:
        self.tables = Tables(trio.current_time)
        self.postgres = Postgres(self.tables, random.Random(1), Trace())
        self.cap = cap

    def copy(self) -> tuple[Budget, Supervisor]:
        """A process of its own."""
        budget = Budget("town", Governor(Prices(), 0, self.cap, trio.current_time))
        store, drained = Store(Connection(self.postgres, Host("h"), "spending"), ServiceView({}, {})), trio.Event()
        run = partial(bookkeeper.run, [budget], store, drained)
        return budget, Supervisor([ChildSpec("bookkeeper", run, drain=drained.set)], LIMITS)

    def booked(self) -> int:
        """All calls that are in Postgres."""
        return sum(row.calls for row in self.tables.spend.values())


async def test_what_is_spent_is_booked_every_few_seconds_and_at_a_clean_stop(autojump_clock: trio.testing.MockClock) -> None:
    office = Office()
    budget, supervisor = office.copy()
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        await trio.sleep(1)
        budget.note("eth_call")
        await trio.sleep(BOOK_EVERY_SECS)
        assert (office.booked(), budget.tally.units) == (1, 0)
        assert [(day["calls"], day["units"]) for day in budget.by_day] == [(1, 1)]
        budget.note("eth_call")
        began = trio.current_time()
        await supervisor.stop(10)
    assert trio.current_time() - began < 1
    assert (office.booked(), budget.tally.units) == (2, 0)


async def test_killed_at_any_moment_while_postgres_fails_it_loses_nothing_and_counts_nothing_twice(
    autojump_clock: trio.testing.MockClock,
) -> None:
    office, rng = Office(), random.Random(7)
    budget, supervisor = office.copy()
    async with trio.open_nursery() as nursery:
        await nursery.start(supervisor.run)
        office.postgres.drops = 0.3
        for _ in range(500):
            budget.note(rng.choice(["eth_call", "eth_getLogs"]))
            await trio.sleep(rng.choice([0, 0.002, 0.004, 1]))
            supervisor.kill("bookkeeper")
        office.postgres.clear()
        await supervisor.stop(10)
    assert (office.booked(), budget.tally.units) == (500, 0)


async def test_copies_add_to_the_same_rows_and_each_learns_what_all_have_spent(autojump_clock: trio.testing.MockClock) -> None:
    office = Office(cap=100)
    (one, first), (other, second) = office.copy(), office.copy()
    async with trio.open_nursery() as nursery:
        await nursery.start(first.run)
        await nursery.start(second.run)
        for _ in range(30):
            one.note("eth_call")
            other.note("eth_call")
        await trio.sleep(3 * BOOK_EVERY_SECS)
        assert one.facts()["month_units"] == other.facts()["month_units"] == 60
        await first.stop(10)
        await second.stop(10)
    assert list(office.tables.spend.values()) == [(60, 60)]


async def test_a_restart_finds_what_was_spent_before(autojump_clock: trio.testing.MockClock) -> None:
    office = Office(cap=100)
    for already in (0, 100, 200):
        budget, supervisor = office.copy()
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            await trio.sleep(1)
            assert budget.facts()["month_units"] == already
            for _ in range(100):
                budget.note("eth_call")
            await supervisor.stop(10)


async def test_the_cap_is_said_once(autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture) -> None:
    office = Office(cap=10)
    budget, supervisor = office.copy()
    with caplog.at_level(logging.WARNING, logger="trueup"):
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            for _ in range(20):
                budget.note("eth_call")
                await trio.sleep(BOOK_EVERY_SECS)
            await supervisor.stop(10)
    assert sum("the month's units are spent" in record.getMessage() for record in caplog.records) == 1
