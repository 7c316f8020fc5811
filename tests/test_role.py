"""Roles among copies, under virtual time over the store's double."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import trio
import trio.testing

from actors.ports import Store
from actors.progress import Efforts, account_to
from actors.role import LEASE_SECS, RENEW_SECS, while_holding
from actors.store import leases
from actors.view import ServiceView
from tests.simulation.postgres import Connection, Host, Postgres
from tests.simulation.tables import Tables
from tests.simulation.trace import Trace

ROLE = "subscriber:ethereum"


class Copies:
    """Copies of a process that want one role; `record` says who began and who ended to work, and when."""

    def __init__(self) -> None:
        self.postgres = Postgres(Tables(trio.current_time), random.Random(1), Trace())
        self.hosts: dict[str, Host] = {}
        self.record: list[str] = []
        self.stood_by = 0

    async def live(self, name: str) -> None:
        """One copy."""
        self.hosts[name] = Host(name)
        store = Store(Connection(self.postgres, self.hosts[name], name), ServiceView({}, {}))

        async def work() -> None:
            self.record.append(f"{name} works")
            try:
                await trio.sleep_forever()
            finally:
                self.record.append(f"{name} ends")

        async def meanwhile() -> None:
            self.stood_by += 1

        await while_holding(store, ROLE, name, work, meanwhile)

    async def live_until(self, secs: float, others: trio.Nursery) -> None:
        """Copy `a` lives until so long after copy `b`, which stands by, has begun."""
        async with trio.open_nursery() as first:
            first.start_soon(self.live, "a")
            await trio.sleep(1)
            others.start_soon(self.live, "b")
            await trio.sleep(secs)
            first.cancel_scope.cancel()


async def test_one_works_and_the_other_stands_by(autojump_clock: trio.testing.MockClock) -> None:
    copies = Copies()
    with trio.move_on_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(copies.live, "a")
            await trio.sleep(1)
            nursery.start_soon(copies.live, "b")
    assert copies.record[0] == "a works"
    assert "b works" not in copies.record
    assert copies.stood_by > 20


async def test_the_role_of_one_that_died_moves_within_its_lease(autojump_clock: trio.testing.MockClock) -> None:
    copies = Copies()
    async with trio.open_nursery() as nursery:
        await copies.live_until(10, nursery)
        died = trio.current_time()
        while "b works" not in copies.record:
            await trio.sleep(0.1)
        assert trio.current_time() - died <= LEASE_SECS + RENEW_SECS + 0.2
        nursery.cancel_scope.cancel()


async def test_one_that_froze_past_its_lease_stops_when_it_wakes(autojump_clock: trio.testing.MockClock) -> None:
    copies = Copies()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(copies.live, "a")
        await trio.sleep(1)
        nursery.start_soon(copies.live, "b")
        copies.hosts["a"].freeze()
        await trio.sleep(LEASE_SECS + 2 * RENEW_SECS)
        assert copies.record == ["a works", "b works"]
        copies.hosts["a"].thaw()
        await trio.sleep(RENEW_SECS + 0.1)
        assert copies.record == ["a works", "b works", "a ends"]
        nursery.cancel_scope.cancel()


async def test_a_role_that_is_given_back_is_taken_at_the_next_look(autojump_clock: trio.testing.MockClock) -> None:
    copies = Copies()
    async with trio.open_nursery() as nursery:
        await copies.live_until(1, nursery)
        copies.postgres.tables.run(leases.free, "a")
        await trio.sleep(RENEW_SECS + 0.1)
        assert "b works" in copies.record
        nursery.cancel_scope.cancel()


class Frozen:
    """A Postgres that answers no more, from a moment on."""

    answers = True

    async def run(self, fn: Callable[..., Any], *args: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return self.answers or await trio.sleep_forever()

    async def aclose(self) -> None: ...


@pytest.mark.parametrize("when", ["taken", "renewed"])
async def test_a_lease_that_a_frozen_postgres_does_not_answer_is_seen_by_the_watchdog(autojump_clock: trio.testing.MockClock, when: str) -> None:
    account_to(efforts := Efforts())
    postgres = Frozen()
    postgres.answers = when == "renewed"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(while_holding, Store(postgres, ServiceView({}, {})), ROLE, "a", trio.sleep_forever, trio.sleep_forever)
        await trio.sleep(RENEW_SECS / 2)
        postgres.answers = False
        await trio.sleep(2 * RENEW_SECS)
        assert efforts.oldest_beat() <= RENEW_SECS
        nursery.cancel_scope.cancel()
