"""A socket that says nothing, drops, repeats, or is cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.sandbox.town import Town
from tests.proxy import Fault, Proxy
from tests.proxy_faults import Disorder, Mute, Repeat, Vanish
from tests.proxy_world import SOCKETS, Behind, busily, busy, connected, following, still_true, struck
from tests.world import Mode, eventually

MANY = 8  # sockets: a busy machine may take one for silent that is slow, once or twice


@SOCKETS
async def test_a_socket_that_answers_pings_and_says_nothing_is_replaced(
    behind: Behind, town: Town, proxy: Proxy, mode: Mode
) -> None:
    world = behind(proxy, **mode)
    async with following(world) as system:
        await eventually(lambda: system.view.chains["town"].connected, "a session")
        with proxy.fault(Mute()):
            busy(town)
            await eventually(lambda: proxy.connections > 1, "another socket")
        busy(town)
        await still_true(world)
        assert proxy.connections < MANY


NOISE: dict[str, Callable[[], Fault]] = {
    "vanish": Vanish,
    "vanish by turns": lambda: Vanish(2),
    "repeat": Repeat,
    "disorder": Disorder,
}


@SOCKETS
@pytest.mark.parametrize("make", list(NOISE.values()), ids=list(NOISE))
async def test_notifications_may_vanish_repeat_and_come_out_of_order(
    behind: Behind, town: Town, proxy: Proxy, mode: Mode, make: Callable[[], Fault]
) -> None:
    world = behind(proxy, **mode)
    async with following(world) as system:
        await connected(system)
        with proxy.fault(make()) as fault:
            busy(town, 12)
            # A node that pushes later than two closings have found is left, and what it was to push with it.
            await eventually(busily(world, struck(fault)), "the fault")
            await still_true(world)
        assert not any(child.restarts for child in system.supervisor.children.values())


@SOCKETS
async def test_a_socket_that_is_cut_in_the_middle_of_a_message_is_opened_anew(
    behind: Behind, town: Town, proxy: Proxy, mode: Mode
) -> None:
    world = behind(proxy, **mode)
    async with following(world) as system:
        await connected(system)
        busy(town)
        await proxy.cut()
        busy(town)
        await eventually(lambda: proxy.connections > 1, "another socket")
        await still_true(world)
        assert proxy.connections < MANY
        assert not any(child.restarts for child in system.supervisor.children.values())
