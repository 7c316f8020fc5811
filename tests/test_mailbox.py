"""A mailbox outlives whoever is on its ends."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actors.mailbox import Bell, Lane, Mailbox


async def test_what_a_dead_consumer_held_is_taken_again() -> None:
    lane: Lane[int] = Lane(9)
    with lane.inlet() as inlet:
        for item in (1, 2, 3):
            await inlet.send(item)
    with lane.outlet() as dead:
        assert await lane.take(dead, 2) == [1, 2]
    with lane.outlet() as alive:
        assert await lane.take(alive, 9) == [1, 2]
        lane.finished()
        assert await lane.take(alive, 9) == [3]


async def test_a_dead_sender_ends_no_lane() -> None:
    lane: Lane[int] = Lane(9)
    with lane.inlet():
        pass
    with lane.inlet() as again:
        await again.send(1)
    with lane.outlet() as outlet:
        assert await lane.take(outlet, 1) == [1]


async def test_a_closed_lane_ends_when_it_is_empty() -> None:
    mailbox: Mailbox[int] = Mailbox("m", 9)
    assert mailbox.lane(True).offer(1)
    mailbox.close()
    with mailbox.live.outlet() as outlet:
        assert await mailbox.live.take(outlet, 9) == [1]
        mailbox.live.finished()
        with pytest.raises(trio.EndOfChannel):
            await mailbox.live.take(outlet, 9)


async def test_a_hint_that_finds_its_lane_full_is_dropped() -> None:
    lane: Lane[int] = Lane(1)
    assert [lane.offer(n) for n in range(3)] == [True, False, False]
    with lane.outlet() as outlet:
        assert await lane.take(outlet, 9) == [0]


async def test_a_full_lane_makes_its_sender_wait(nursery: trio.Nursery) -> None:
    lane: Lane[int] = Lane(1)
    sent: list[int] = []

    async def send() -> None:
        with lane.inlet() as inlet:
            for item in (1, 2):
                await inlet.send(item)
                sent.append(item)

    nursery.start_soon(send)
    await trio.testing.wait_all_tasks_blocked()
    assert sent == [1]
    with lane.outlet() as outlet:
        await lane.take(outlet, 1)
        await trio.testing.wait_all_tasks_blocked()
    assert sent == [1, 2]


async def test_a_ring_before_the_wait_is_kept_and_many_are_one() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    await bell.wait()
    with trio.move_on_after(0) as scope:
        await bell.wait()
    assert scope.cancelled_caught
