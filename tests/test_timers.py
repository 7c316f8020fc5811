"""Waits whose end moves with the config, under virtual time."""

from __future__ import annotations

import trio
import trio.testing

from actors.timers import Timers


class Sleeper:
    """Sleeps for `secs`, from now on."""

    def __init__(self, secs: float) -> None:
        self.secs, self.timers = secs, Timers()
        self.woke: float | None = None
        self.due: float | None = None

    async def run(self) -> None:
        self.due = await self.timers.sleep(lambda: self.secs)
        self.woke = trio.current_time()


async def test_without_a_change_a_sleep_takes_its_time(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    sleeper = Sleeper(10)
    nursery.start_soon(sleeper.run)
    await trio.sleep(20)
    assert (sleeper.woke, sleeper.due) == (10, 10)


async def test_a_shorter_one_ends_sooner_and_a_longer_one_later(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    for secs, ends in ((7.0, 7.0), (30.0, 30.0), (1.0, 5.0)):
        sleeper, began = Sleeper(10), trio.current_time()
        nursery.start_soon(sleeper.run)
        await trio.sleep(5)
        sleeper.secs = secs
        sleeper.timers.changed()
        await trio.sleep(40)
        assert (sleeper.woke, sleeper.due) == (began + ends, began + ends)


async def test_nobody_is_woken_by_a_change_that_is_not_his(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    sleeper = Sleeper(10)
    nursery.start_soon(sleeper.run)
    for _ in range(9):
        await trio.sleep(1)
        sleeper.timers.changed()
    assert sleeper.woke is None
    await trio.sleep(2)
    assert sleeper.woke == 10


async def test_a_wait_that_is_moved_on_from_knows_it_and_one_that_was_over_does_not(autojump_clock: trio.testing.MockClock) -> None:
    timers, due = Timers(), 10.0
    with timers.move_on_at(lambda: due) as scope:
        await trio.sleep(5)
    assert not scope.cancelled_caught
    with timers.move_on_at(lambda: due) as scope:
        due = 6.0
        timers.changed()
        await trio.sleep(100)
    assert scope.cancelled_caught
    assert trio.current_time() == 6


async def test_nothing_is_kept_of_waits_that_are_over(autojump_clock: trio.testing.MockClock) -> None:
    timers = Timers()
    for _ in range(100):
        await timers.sleep(lambda: 1.0)
        with trio.move_on_after(0.5):
            await timers.sleep(lambda: 1.0)
    assert timers._open == {}
