"""Reads many wallets in one `eth_call` of aggregate3, and proves from the answer itself which block and branch it is from.

Each call asks, from inside, for the block number, the parent's hash, the timestamp, PREVRANDAO and the chain id. The number and the chain
id are always compared; the rest with the header wherever that is known, which it must be unless the endpoint honours hash pins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from actors.errors import BadAnswer, NodeBehind, NodeError, Permanent, WrongBlock
from actors.evm.abi import encode_call_address, parse_call
from actors.evm.block import Header, Pin
from actors.evm.multicall3 import Call, decode_aggregate3, decode_word, encode_aggregate3
from actors.evm.source import Source

ARBSYS = bytes(19) + b"\x64"
ARB_BLOCK_NUMBER = parse_call("arbBlockNumber()")
ATTEST = [
    parse_call(f"{name}()")
    for name in ("getBlockNumber", "getLastBlockHash", "getCurrentBlockTimestamp", "getCurrentBlockDifficulty", "getChainId")
]
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


async def read(node: Node, multicall3: bytes, chain_id: int, pin: Pin, plan: Plan) -> list[int | Failure]:
    """Each wallet's sum at the pin, in the plan's order. Raises WrongBlock where the answer is from elsewhere, or another NodeError."""
    if pin.header is None and not node.hash_pins:
        raise WrongBlock("a pin without a header proves nothing where hash pins are not honoured")
    calls = _attestation(multicall3, node.number_from_arbsys)
    for sources, wallet in plan:
        calls += [_call(source, wallet, multicall3) for source in sources]
    results = await _aggregate(node, multicall3, calls, _where(node, pin))
    _check(results[: len(ATTEST)], pin, chain_id)
    return _sums(plan, results[len(ATTEST) :])


def _attestation(multicall3: bytes, arbsys: bool) -> list[Call]:
    calls = [(multicall3, selector) for selector in ATTEST]
    if arbsys:
        calls[0] = (ARBSYS, ARB_BLOCK_NUMBER)
    return calls


def _call(source: Source, wallet: bytes, multicall3: bytes) -> Call:
    if source.contract is None or source.selector is None:
        return multicall3, encode_call_address(GET_ETH_BALANCE, wallet)
    return source.contract, encode_call_address(source.selector, wallet)


def _where(node: Node, pin: Pin) -> Any:
    if node.hash_pins:
        return {"blockHash": "0x" + pin.hash.hex(), "requireCanonical": True}
    return hex(pin.number)


async def _aggregate(node: Node, multicall3: bytes, calls: Sequence[Call], where: Any) -> list[bytes | None]:
    call = {"to": "0x" + multicall3.hex(), "data": "0x" + encode_aggregate3(calls).hex()}
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
    if header is None:
        return
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
    for index, result in enumerate(results):
        value = decode_word(result)
        if value is None:
            what = "reverted" if result is None else f"answered {len(result)} bytes instead of 32"
            return Failure(f"source {index} {what}")
        total += value
    return total if total < OVERFLOW else Failure("overflow")


async def probe(node: Node, multicall3: bytes, chain_id: int) -> None:
    """Learn how the endpoint numbers blocks and whether it honours hash pins: an older block's hash, and one that nobody has."""
    head = await node.header("latest")
    if head is None:
        raise NodeBehind("has no head")
    older = head if head.number == 0 else await node.header(head.number - 1) or head
    at_number = await _aggregate(node, multicall3, _attestation(multicall3, False), hex(older.number))
    node.number_from_arbsys = False
    if decode_word(at_number[0]) != older.number:
        # The chain's NUMBER is another chain's (Arbitrum) or the node ignores the block: only the first can be helped.
        at_number = await _aggregate(node, multicall3, _attestation(multicall3, True), hex(older.number))
        node.number_from_arbsys = decode_word(at_number[0]) == older.number
        if not node.number_from_arbsys:
            raise WrongBlock("cannot attest its block number")
    if decode_word(at_number[4]) != chain_id:
        raise WrongBlock(f"answers from chain {decode_word(at_number[4])}")
    node.hash_pins = await _honours_hash(node, multicall3, older)
    node.probed = True


async def _honours_hash(node: Node, multicall3: bytes, older: Header) -> bool:
    calls = _attestation(multicall3, node.number_from_arbsys)
    try:
        answer = await _aggregate(node, multicall3, calls, {"blockHash": "0x" + older.hash.hex(), "requireCanonical": True})
    except (Permanent, NodeBehind):
        return False
    if decode_word(answer[0]) != older.number:
        return False
    try:
        await _aggregate(node, multicall3, calls, {"blockHash": "0x" + MADE_UP_HASH.hex(), "requireCanonical": True})
    except (Permanent, NodeBehind):
        return True
    except NodeError:
        raise
    return False
