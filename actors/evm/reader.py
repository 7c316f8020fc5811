"""Reads many wallets in one `eth_call` of aggregate3, and proves from the answer itself which block and branch it is from.

Each call asks, from inside, for the block number, the parent's hash, the timestamp, PREVRANDAO and the chain id. The number and the chain
id are compared with the pin's, the rest with its header.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from actors.errors import BadAnswer, NodeBehind, NodeError, Permanent, Throttled, WrongBlock, WrongChain
from actors.evm.abi import encode_call_address, parse_call
from actors.evm.block import Header, Pin
from actors.evm.multicall3 import Call, decode_aggregate3, decode_word, encode_aggregate3, word
from actors.evm.source import Source

ARBSYS = bytes(19) + b"\x64"
ARB_BLOCK_NUMBER = parse_call("arbBlockNumber()")
ARB_BLOCK_HASH = parse_call("arbBlockHash(uint256)")
ATTEST = [
    parse_call(f"{name}()")
    for name in ("getBlockNumber", "getLastBlockHash", "getCurrentBlockTimestamp", "getCurrentBlockDifficulty", "getChainId")
]
GET_BLOCK_HASH = parse_call("getBlockHash(uint256)")
BLOCKHASH_REACH = 256
GET_ETH_BALANCE = parse_call("getEthBalance(address)")
OVERFLOW = 2**256 - 1
MADE_UP_HASH = bytes.fromhex("deadbeef" * 8)
Plan = Sequence[tuple[tuple[Source, ...], bytes]]


@dataclass(frozen=True, slots=True)
class Failure:
    """A wallet that has no sum, and why."""

    reason: str


class Node(Protocol):
    """What is needed of an endpoint."""

    hash_pins: bool | None
    number_from_arbsys: bool
    probed: bool

    async def call(self, method: str, params: list[Any]) -> Any: ...
    async def header(self, at: int | str) -> Header | None: ...


async def read(node: Node, multicall3: bytes, chain_id: int, pin: Pin, plan: Plan, gas: int | None = None) -> list[int | Failure]:
    """Each wallet's sum at the pin, in the plan's order. Raises WrongBlock where the answer is from elsewhere, or another NodeError."""
    calls = _attestation(multicall3, node.number_from_arbsys, pin.number)
    for sources, wallet in plan:
        calls += [_call(source, wallet, multicall3) for source in sources]
    results = await _aggregate(node, multicall3, calls, _where(node, pin), gas)
    _check(results[: len(ATTEST)], pin, chain_id)
    return _sums(plan, results[len(ATTEST) :])


async def ancestors(node: Node, multicall3: bytes, chain_id: int, tip: Header, numbers: Sequence[int]) -> list[bytes | None]:
    """The hashes of the tip's own ancestors, at most `BLOCKHASH_REACH` below it, in one answer that is the tip's: no replica of a
    load balancer can answer for another. None where the chain does not tell. Raises a NodeError.
    """
    pin = Pin(tip.number, tip.hash, tip)
    ask = (ARBSYS, ARB_BLOCK_HASH) if node.number_from_arbsys else (multicall3, GET_BLOCK_HASH)
    calls = [*_attestation(multicall3, node.number_from_arbsys, tip.number), *((ask[0], ask[1] + word(one)) for one in numbers)]
    results = await _aggregate(node, multicall3, calls, _where(node, pin))
    _check(results[: len(ATTEST)], pin, chain_id)
    return [found if found is not None and len(found) == 32 and any(found) else None for found in results[len(ATTEST) :]]


def _attestation(multicall3: bytes, arbsys: bool, number: int) -> list[Call]:
    calls = [(multicall3, selector) for selector in ATTEST]
    if arbsys:
        # There NUMBER and BLOCKHASH are about the other chain's blocks.
        calls[0] = (ARBSYS, ARB_BLOCK_NUMBER)
        calls[1] = (ARBSYS, ARB_BLOCK_HASH + word(max(0, number - 1)))
    return calls


def _call(source: Source, wallet: bytes, multicall3: bytes) -> Call:
    if source.contract is None or source.selector is None:
        return multicall3, encode_call_address(GET_ETH_BALANCE, wallet)
    return source.contract, encode_call_address(source.selector, wallet)


def _where(node: Node, pin: Pin) -> Any:
    return _by_hash(pin.hash) if node.hash_pins else hex(pin.number)


def _by_hash(block_hash: bytes) -> dict[str, Any]:
    return {"blockHash": "0x" + block_hash.hex(), "requireCanonical": True}


async def _aggregate(
    node: Node, multicall3: bytes, calls: Sequence[Call], where: Any, gas: int | None = None
) -> list[bytes | None]:
    call = {"to": "0x" + multicall3.hex(), "data": "0x" + encode_aggregate3(calls).hex()}
    if gas is not None:
        call["gas"] = hex(gas)
    answer = await node.call("eth_call", [call, where])
    if answer == "0x":
        raise NodeBehind("no Multicall3 at that address and block")
    return decode_aggregate3(from_hex(answer), len(calls))


def from_hex(text: Any) -> bytes:
    """`0x…` as bytes. Raises BadAnswer."""
    if not isinstance(text, str) or not text.startswith("0x"):
        raise BadAnswer("the answer is not hex data")
    try:
        return bytes.fromhex(text[2:])
    except ValueError as error:
        raise BadAnswer("the answer is not hex data") from error


def _check(attested: Sequence[bytes | None], pin: Pin, chain_id: int) -> None:
    number, parent, timestamp, prevrandao, chain = attested
    if decode_word(number) != pin.number:
        raise WrongBlock(f"answered from block {decode_word(number)}, block {pin.number} was asked for")
    if decode_word(chain) != chain_id:
        raise WrongBlock(f"answered from chain {decode_word(chain)}, chain {chain_id} was asked for")
    header = pin.header
    if pin.number and parent != header.parent:
        raise WrongBlock(f"answered from another branch at block {pin.number}")
    if decode_word(timestamp) != header.timestamp or prevrandao != header.prevrandao:
        raise WrongBlock(f"answered from a sibling of block {pin.number}")


def _sums(plan: Plan, results: Sequence[bytes | None]) -> list[int | Failure]:
    sums: list[int | Failure] = []
    at = 0
    for sources, _ in plan:
        sums.append(_sum(results[at : at + len(sources)]))
        at += len(sources)
    return sums


def _sum(results: Sequence[bytes | None]) -> int | Failure:
    """No partial sums: each source must answer one full word, and the sum must fit below 2**256-1."""
    total = 0
    if not results:
        return Failure("no sources")
    for index, result in enumerate(results):
        value = decode_word(result)
        if value is None:
            what = "reverted" if result is None else f"answered {len(result)} bytes instead of 32"
            return Failure(f"source {index} {what}")
        total += value
    return total if total < OVERFLOW else Failure("overflow")


async def probe(node: Node, multicall3: bytes, chain_id: int) -> None:
    """Learn how the endpoint numbers blocks and whether it honours hash pins: an older block's hash, and one that nobody has.

    Done once: an endpoint that is `probed` is asked nothing. Raises Permanent where Multicall3 is not there, or another NodeError.
    """
    if node.probed:
        return
    head = await node.header("latest")
    if head is None:
        raise NodeBehind("has no head")
    if await node.call("eth_getCode", ["0x" + multicall3.hex(), hex(head.number)]) == "0x":
        raise Permanent(f"no Multicall3 at 0x{multicall3.hex()} in block {head.number}")
    older = head if head.number == 0 else await node.header(head.number - 1) or head
    arbsys = await _numbers_by_arbsys(node, multicall3, chain_id, older.number)
    hash_pins = await _honours_hash(node, multicall3, arbsys, older)
    node.number_from_arbsys, node.hash_pins, node.probed = arbsys, hash_pins, True


async def _numbers_by_arbsys(node: Node, multicall3: bytes, chain_id: int, number: int) -> bool:
    """Where NUMBER is not the block's, it is another chain's (Arbitrum) or the node ignores the block: only the first can be helped."""
    for arbsys in (False, True):
        answer = await _aggregate(node, multicall3, _attestation(multicall3, arbsys, number), hex(number))
        if decode_word(answer[4]) != chain_id:
            raise WrongBlock(f"answers from chain {decode_word(answer[4])}")
        if decode_word(answer[0]) == number:
            return arbsys
    raise WrongBlock("cannot attest its block number")


async def _honours_hash(node: Node, multicall3: bytes, arbsys: bool, older: Header) -> bool:
    calls = _attestation(multicall3, arbsys, older.number)
    at_hash = await _unless_refused(node, multicall3, calls, older.hash, older.number)
    if at_hash is None or decode_word(at_hash[0]) != older.number:
        return False
    return await _unless_refused(node, multicall3, calls, MADE_UP_HASH, older.number) is None


async def _unless_refused(
    node: Node, multicall3: bytes, calls: Sequence[Call], block_hash: bytes, number: int
) -> list[bytes | None] | None:
    """The answer at a hash; None where the node refuses it.

    Clients have many wordings for a refusal, and not all are known as one: an error twice, while the node answers the same by number
    in between, is one too. A node that fails at both is down, and the error says so.
    """
    for _ in range(2):
        try:
            return await _aggregate(node, multicall3, calls, _by_hash(block_hash))
        except (Permanent, NodeBehind):
            return None
        except (Throttled, WrongChain):
            raise
        except NodeError:
            await _aggregate(node, multicall3, calls, hex(number))
    return None
