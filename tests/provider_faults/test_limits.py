"""A provider's limits make calls smaller, and nobody is set aside for them."""

from __future__ import annotations

from collections.abc import Callable

from actors.sandbox.town import Town
from tests.proxy import Fault, Proxy
from tests.proxy_faults import BodyCap, ResponseCap, SubCallCap
from tests.proxy_world import Behind, busy, in_turn, never_lying, place, still_true
from tests.world import Mode, World, eventually, followed, running

LIMITS: dict[str, Callable[[], Fault]] = {
    "out of gas": SubCallCap,
    "gas cap": lambda: SubCallCap(30, -32000, "gas required exceeds allowance (50000000)"),
    "anvil's": lambda: SubCallCap(30, -32603, "EVM error OutOfGas"),
    "timeout": lambda: SubCallCap(30, -32000, "execution aborted (timeout = 5s)"),
    "sub-calls": lambda: SubCallCap(30, -32602, "too many results: max results is 30"),
    "413": lambda: BodyCap(6000),
    "response": lambda: ResponseCap(4000, methods=("eth_call",)),
}


@in_turn(LIMITS)
async def test_a_limit_makes_calls_smaller_and_nobody_set_aside(
    behind: Behind, town: Town, proxy: Proxy, make: Callable[[], Fault], mode: Mode
) -> None:
    fault = make()
    if isinstance(fault, ResponseCap) and "reads" not in mode["chain"]:
        # A packed answer of so few wallets is no longer than the one of a single wallet.
        mode = {**mode, "chain": mode["chain"] + '\nreads = "multicall3"'}
    world = behind(proxy, interval=0.1, **mode)
    place(world, town.wallets)
    with proxy.fault(fault):
        async with running(world), never_lying(world):
            await followed(world)
            await eventually(lambda: all_read(world), "a whole sweep")
            busy(town, 12)
            await still_true(world)
            assert fault.struck
    assert world.query("SELECT * FROM trueup_set_aside") == []


def all_read(world: World) -> bool:
    return world.query("SELECT 1 FROM eth_wallet_balances WHERE read_block IS NULL") == []
