"""How many blocks back an endpoint serves state.

Each depth is asked for as the service reads: by the best rung, which proves the block's number. Some pruned nodes answer zeros instead of
an error, so wherever the block holds a transaction its sender is a witness: with that block's state it has sent more than that many.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.doctor.node.probe import NOBODY, Probe
from actors.doctor.node.search import Found, Search
from actors.errors import NodeBehind, NodeError, WrongBlock
from actors.evm.attest import number_of

FIRST = 64
# What clients keep: geth 128, reth's full node 10,064, erigon 90,000 and 100,000.
LIKELY = (127, 128, 256, 1024, 8192, 10_000, 10_064, 90_000, 100_000)


@dataclass(frozen=True)
class Witness:
    """`sent`: its transactions up to and with the block."""

    account: str
    sent: int


async def state_blocks(probe: Probe) -> Found:
    """The depth below the head; from one block on. Sets `state_empty`."""

    async def ask(depth: int) -> None:
        await _ask(probe, probe.head - depth)

    search = Search(max(0, probe.head - 1), FIRST, likely=LIKELY)
    return await probe.search("state window", search, ask, (NodeBehind, WrongBlock))


async def _ask(probe: Probe, number: int) -> None:
    rung = probe.reader.rung(probe.endpoint)
    if probe.endpoint.rungs[:1] == ("single",):
        await probe.endpoint.call("eth_getBalance", [NOBODY, hex(number)])
    else:
        words = await rung.attested(probe.endpoint, hex(number), probe.endpoint.number_from_arbsys, number)
        if number_of(words[0]) != number:
            raise WrongBlock(f"answers from block {number_of(words[0])} instead of {number}")
    witness = await _witness(probe, number)
    if witness is not None and await _sent(probe, witness.account, number) < witness.sent:
        probe.found.state_empty = True
        raise NodeBehind(f"the state of block {number} is answered as if it were empty")


async def _witness(probe: Probe, number: int) -> Witness | None:
    """None where the block has no transaction that tells: a chain's own may not be counted."""
    try:
        found = await probe.endpoint.call("eth_getTransactionByBlockNumberAndIndex", [hex(number), "0x0"])
        nonce = int(found["nonce"], 16)
        return Witness(str(found["from"]), nonce + 1) if nonce > 0 else None
    except (NodeError, TypeError, KeyError, ValueError):
        return None


async def _sent(probe: Probe, account: str, number: int) -> int:
    found = await probe.endpoint.call("eth_getTransactionCount", [account, hex(number)])
    try:
        return int(found, 16)
    except (TypeError, ValueError):
        return 0
