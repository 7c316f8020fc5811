"""How much gas an `eth_call` gets, by a program that answers what is left of it when it begins.

Nodes differ above their cap: geth gives the cap and says nothing, others refuse. What a call costs before it begins is learned from one
with a known amount.
"""

from __future__ import annotations

from actors.doctor.node.probe import Probe
from actors.doctor.node.search import Found, Search
from actors.errors import BadAnswer, NodeError, Throttled, TooLarge
from actors.evm import attest
from actors.evm.assembler import assemble
from actors.evm.packed import READER

PROGRAM = "0x" + assemble("GAS 0 MSTORE 32 0 RETURN").hex()
KNOWN = 1_000_000
HUGE = 2**40
SILENT, REFUSED, NONE = "capped silently", "refused", "no cap"
LIKELY = tuple(sorted(millions * 10**6 for millions in (10, 15, 20, 25, 30, 36, 40, 45, 50, 60, 100, 150, 200, 300, 500, 550, 600, 1000, 10_000)))


async def call_gas(probe: Probe) -> None:
    """Sets `call_gas`, `gas_style`, `default_gas`. Nothing where neither rung of our own is served. Raises a NodeError."""
    if probe.over or not {"packed", "deployless"} & set(probe.endpoint.rungs):
        return
    probe.show("gas")
    own_cost = KNOWN - await _left(probe, KNOWN)
    probe.found.default_gas = await _left(probe, None) + own_cost
    try:
        given = await _left(probe, HUGE) + own_cost
    except Throttled:
        raise
    except NodeError:
        await _search(probe, own_cost)
        return
    if given >= HUGE:
        probe.found.call_gas, probe.found.gas_style = Found(HUGE, None, 3), NONE
        return
    # Verified by two calls: it gives as much as this, and no more.
    at, above = await _left(probe, given) + own_cost, await _left(probe, given + 1) + own_cost
    probe.found.gas_style = SILENT
    probe.found.call_gas = Found(given, given + 1 if (at, above) == (given, given) else None, 5)


async def _search(probe: Probe, own_cost: int) -> None:
    async def ask(gas: int) -> None:
        given = await _left(probe, gas) + own_cost
        if given < gas:
            raise TooLarge(f"eth_call: {given} gas is given instead of {gas}")

    search = Search(HUGE, KNOWN, KNOWN, LIKELY)
    probe.found.gas_style = REFUSED
    probe.found.call_gas = await probe.search("gas", search, ask)


async def _left(probe: Probe, gas: int | None) -> int:
    limit = {} if gas is None else {"gas": hex(gas)}
    if "packed" in probe.endpoint.rungs:
        params = [{"to": READER, "data": "0x", **limit}, "latest", {READER: {"code": PROGRAM}}]
    else:
        params = [{"data": PROGRAM, **limit}, "latest"]
    answer = attest.from_hex(await probe.endpoint.call("eth_call", params))
    if len(answer) != 32:
        raise BadAnswer(f"eth_call: answered {len(answer)} bytes instead of 32")
    return int.from_bytes(answer, "big")
