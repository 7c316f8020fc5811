"""An endpoint that fails or lags is left, and come back to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from actors.sandbox.town import Town
from tests.proxy import Fault, Proxy
from tests.proxy_faults import HalfJson, HangUp, HtmlPage, Lag, OtherId, Refuse, Throttle
from tests.proxy_world import MODES, Behind, busy, comes_back, following, in_turn, still_true, struck, tally
from tests.world import Mode, eventually

BROKEN: dict[str, Callable[[], Fault]] = {
    "hangs up": HangUp,
    "429": Throttle,
    "429 with Retry-After": lambda: Throttle("1"),
    "-32005 in a 200": Refuse,
    "an HTML page": HtmlPage,
    "503": lambda: HtmlPage(503),
    "half a JSON": HalfJson,
    "another id": OtherId,
    "header not found": lambda: Refuse(-32000, "header not found", methods=("eth_call",)),
}


@in_turn(BROKEN)
async def test_an_endpoint_that_fails_is_left_and_come_back_to(
    behind: Behind, town: Town, first: Proxy, second: Proxy, make: Callable[[], Fault], mode: Mode
) -> None:
    world = behind(first, second, **mode)
    async with following(world):
        busy(town)
        await still_true(world)
        with first.fault(make()) as fault:
            by_second = tally(second, town)
            busy(town)
            await eventually(struck(fault), "the fault")
            await eventually(struck(by_second), "a read from the second endpoint")
            await still_true(world)
        await comes_back(first, world)
        await still_true(world)


@pytest.mark.long
@in_turn(BROKEN)
async def test_the_only_endpoint_may_fail_and_recover(
    behind: Behind, town: Town, proxy: Proxy, make: Callable[[], Fault], mode: Mode
) -> None:
    world = behind(proxy, **mode)
    async with following(world):
        with proxy.fault(make()) as fault:
            busy(town)
            await eventually(struck(fault, 2), "the fault")
        await still_true(world)


@MODES
async def test_an_endpoint_that_lags_is_left_while_it_does(
    behind: Behind, town: Town, first: Proxy, second: Proxy, mode: Mode
) -> None:
    world = behind(first, second, **mode)
    async with following(world):
        with first.fault(Lag(3)) as fault:
            busy(town)
            await eventually(struck(fault), "the lag")
            await still_true(world)
        await comes_back(first, world)
        await still_true(world)
