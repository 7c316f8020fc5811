"""Each block's logs are asked of two endpoints, and no head waits for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from actors import askings, second_asking
from actors.closing import Closed, Closer
from actors.evm import pool
from actors.sandbox.town import Town
from tests.proxy import Answer, Ask, Call, Fault, Proxy
from tests.proxy_faults import Lag, Refuse, Withholds, refusal
from tests.proxy_world import HEADS, LOGS, MODES, Behind, busily, busy, connected, following, still_true
from tests.world import Mode, eventually, running


@dataclass(eq=False)
class ComesAndGoes(Fault):
    """A call of a method fails, ten do not, and so on."""

    asked: int = 0

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        self.asked += 1
        if self.asked % 11 != 1:
            return await ask(call)
        self.strike()
        return refusal(-32000, "internal error")


ONE_BLOCK_A_QUESTION = {"chain": HEADS["chain"] + "\nmax_log_blocks = 1"}


class Asked(Fault):
    """No fault: which blocks' logs were asked for."""

    def __init__(self, town: Town) -> None:
        super().__init__()
        self._town, self.blocks = town, set[int]()

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        if call.method == "eth_getLogs":
            self.strike()
            where: dict[str, Any] = call.params[0]
            if "blockHash" in where:
                found = self._town._anvil.rpc("eth_getBlockByHash", where["blockHash"], False)
                self.blocks.add(int(found["number"], 16))
            else:
                self.blocks |= set(range(int(where["fromBlock"], 16), int(where["toBlock"], 16) + 1))
        return await ask(call)


async def test_a_second_asking_goes_in_parts_between_heads_and_of_the_other_endpoint(
    behind: Behind, town: Town, first: Proxy, second: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_asking, "FIRST_WALLETS", 1)
    closings: list[tuple[bool, bool]] = []
    close = Closer.close

    async def noted(self: Closer, whole: bool) -> Closed:
        closed = await close(self, whole)
        closings.append((whole, closed.parted))
        return closed

    monkeypatch.setattr(Closer, "close", noted)
    world = behind(first, second, **ONE_BLOCK_A_QUESTION)

    def head_between_parts() -> bool:
        turns = list(zip(closings, closings[1:], closings[2:], strict=False))
        return any(a == (True, True) and b == (False, False) and c[0] for a, b, c in turns)

    with first.fault(Asked(town)) as one, second.fault(Asked(town)) as other:
        async with following(world):
            begun = world.marks()
            assert begun is not None
            await eventually(busily(world, head_between_parts), "a head between two parts")
            await still_true(world)
            head = town.block()
            await eventually(lambda: (world.marks() or (0, 0))[1] >= head, "the second asking's end")
    assert set(range(begun[0] + 1, head + 1)) <= one.blocks & other.blocks


async def test_a_second_endpoint_that_is_always_a_block_behind_confirms_what_it_has_and_the_first_does_not_confirm_itself(
    behind: Behind, town: Town, first: Proxy, second: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(second_asking, "FIRST_WALLETS", 1)
    monkeypatch.setattr(pool, "DOWN_SECS", (0.04, 1.0))
    world = behind(first, second, chain=ONE_BLOCK_A_QUESTION["chain"].replace("stall_secs = 1\n", "stall_secs = 30\n"))
    with second.fault(Asked(town)) as other, second.fault(Lag(1)):
        async with following(world):
            begun = world.marks()
            assert begun is not None
            await eventually(busily(world, lambda: (world.marks() or begun)[1] > begun[1] + 6), "second askings")
            confirmed = (world.marks() or begun)[1]
            assert set(range(begun[0] + 1, confirmed + 1)) <= other.blocks
        assert world.marks() is not None


@MODES
async def test_who_withholds_logs_does_not_confirm_itself_while_the_other_endpoint_comes_and_goes(
    behind: Behind, town: Town, first: Proxy, second: Proxy, mode: Mode
) -> None:
    world = behind(first, second, **mode)
    async with following(world):
        with first.fault(Withholds(pushes=True)), second.fault(ComesAndGoes(methods=("eth_getLogs",))) as other:
            for _ in range(6):
                busy(town)
                await still_true(world)
            assert other.struck


ALWAYS = {
    "refuses": Refuse(-32601, "the method eth_getLogs does not exist/is not available", methods=("eth_getLogs",)),
    "breaks down": Refuse(-32000, "internal error", methods=("eth_getLogs",)),
}


@pytest.mark.parametrize("fault", list(ALWAYS.values()), ids=list(ALWAYS))
async def test_an_endpoint_that_never_has_logs_holds_no_confirmation_up_for_good(
    behind: Behind, town: Town, first: Proxy, second: Proxy, monkeypatch: pytest.MonkeyPatch, fault: Refuse
) -> None:
    monkeypatch.setattr(askings, "LONGEST_WAIT_SECS", 1.0)
    monkeypatch.setattr(pool, "DOWN_SECS", (0.04, 1.0))
    world = behind(first, second, **LOGS)
    async with following(world):
        begun = world.marks()
        assert begun is not None
        with second.fault(fault):
            await eventually(busily(world, lambda: (world.marks() or begun)[1] > begun[1] + 6), "confirmations")
            assert fault.struck


async def test_an_endpoint_that_is_away_just_when_it_is_asked_is_waited_for_seconds_and_no_whole_period(
    behind: Behind, town: Town, first: Proxy, second: Proxy
) -> None:
    world = behind(first, second, chain=HEADS["chain"].replace("confirm_secs = 0.3", "confirm_secs = 1000"))
    with second.fault(Refuse(-32000, "internal error", methods=("eth_getLogs",))):
        async with following(world) as system:
            await connected(system)
            busy(town)
            await eventually(lambda: (world.marks() or (0,))[0] == town.block(), "closings of who is there")
    with second.fault(Refuse(-32000, "internal error", methods=("eth_getLogs",), times=1)) as fault:
        async with running(world, sweep=False):
            await eventually(lambda: world.marks() == (town.block(), town.block()), "the second asking, after a start")
            assert fault.struck
