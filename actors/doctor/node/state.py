"""How many blocks back an endpoint serves state.

Each depth is asked for as the service reads: by the best rung, which proves the block's number. Some pruned nodes answer zeros instead of
an error, so the sender of a transaction in that block, or in an older one that was looked at before, is a witness: it has sent as many.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.doctor.node.probe import NOBODY, Probe
from actors.doctor.node.search import Found, Search
from actors.errors import BadAnswer, NodeBehind, NodeError, WrongBlock
from actors.evm.attest import number_of

FIRST = 2
TRIES = 3
# What clients keep: geth 128, reth's full node 10,064, erigon 90,000 and 100,000.
LIKELY = (127, 128, 256, 1024, 8192, 10_000, 10_064, 90_000, 100_000)


SIGNED = ("0x0", "0x1", "0x2", "0x3", "0x4")  # a chain's own kinds may not be counted as sent


@dataclass(frozen=True)
class Witness:
    """`sent`: its transactions up to and with the block `since`, at least."""

    since: int
    account: str
    sent: int


async def state_blocks(probe: Probe) -> Found:
    """The depth below the head; from one block on. Sets `state_empty`."""

    known: list[Witness] = []

    async def ask(depth: int) -> None:
        for left in reversed(range(TRIES)):
            head = await _head(probe)
            try:
                return await _served(probe, max(0, head - depth), known)
            except (NodeBehind, WrongBlock) as error:
                refusal = error
            # The window moves with the head: what was inside when it was asked for may be outside when it is looked up.
            if not left or await _head(probe) == head:
                raise refusal

    search = Search(max(0, probe.head - 1), FIRST, likely=LIKELY)
    return await probe.search("state window", search, ask, (NodeBehind, WrongBlock))


async def _served(probe: Probe, number: int, known: list[Witness]) -> None:
    await _ask(probe, number)
    known.extend(await _witness(probe, number))
    witness = max((one for one in known if one.since <= number), key=lambda one: one.since, default=None)
    if witness is not None and await _sent(probe, witness.account, number) < witness.sent:
        probe.found.state_empty = True
        raise NodeBehind(f"the state of block {number} is answered as if it were empty")


async def _head(probe: Probe) -> int:
    found = await probe.endpoint.call("eth_blockNumber", [])
    try:
        return int(found, 16)
    except (TypeError, ValueError):
        raise BadAnswer("eth_blockNumber: no number") from None


async def _ask(probe: Probe, number: int) -> None:
    rung = probe.reader.rung(probe.endpoint)
    if probe.endpoint.rungs[:1] == ("single",):
        await probe.endpoint.call("eth_getBalance", [NOBODY, hex(number)])
        return
    words = await rung.attested(probe.endpoint, hex(number), probe.endpoint.number_from_arbsys, number)
    if number_of(words[0]) != number:
        raise WrongBlock(f"answers from block {number_of(words[0])} instead of {number}")


async def _witness(probe: Probe, number: int) -> list[Witness]:
    """The sender of the block's first transaction, or nobody."""
    try:
        found = await probe.endpoint.call("eth_getTransactionByBlockNumberAndIndex", [hex(number), "0x0"])
        if found is None or found.get("type", "0x0") not in SIGNED:
            return []
        return [Witness(number, str(found["from"]), int(found["nonce"], 16) + 1)]
    except (NodeError, TypeError, KeyError, ValueError, AttributeError):
        return []


async def _sent(probe: Probe, account: str, number: int) -> int:
    found = await probe.endpoint.call("eth_getTransactionCount", [account, hex(number)])
    try:
        return int(found, 16)
    except (TypeError, ValueError):
        return 0
