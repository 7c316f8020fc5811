"""The rung *Multicall3*: many sub-calls of its `aggregate3` in one request, each allowed to fail, and the attestation among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.errors import NodeBehind
from actors.evm import attest
from actors.evm.abi import encode_call_address, parse_call
from actors.evm.aggregate3 import Call, decode_aggregate3, decode_page, encode_aggregate3, encode_page, word
from actors.evm.attest import Word
from actors.evm.block import Header, Pin
from actors.evm.programs import ARBSYS
from actors.evm.rung import NARROW, Answer, Node, PageAnswer, Plan, Sources, as_text, page_answer, sum_of
from actors.evm.source import Source

ARB_BLOCK_NUMBER = parse_call("arbBlockNumber()")
ARB_BLOCK_HASH = parse_call("arbBlockHash(uint256)")
ATTEST = [
    parse_call(f"{name}()")
    for name in ("getBlockNumber", "getLastBlockHash", "getCurrentBlockTimestamp", "getCurrentBlockDifficulty", "getChainId")
]
GET_BLOCK_HASH = parse_call("getBlockHash(uint256)")
GET_ETH_BALANCE = parse_call("getEthBalance(address)")


class Multicall3:
    """The rung at the contract's address."""

    name = "multicall3"
    most = 1_000_000

    def __init__(self, address: bytes) -> None:
        self._address = address

    async def read(self, node: Node, chain_id: int, pin: Pin, plan: Plan, wide: bool = False) -> Answer:
        """See `Rung`."""
        calls = self._attestation(node.number_from_arbsys, pin.number)
        for sources, wallet in plan:
            calls += [self._call(source, wallet) for source in sources]
        results = await self._aggregate(node, calls, attest.where(pin, node.hash_pins))
        attest.check(results[: len(ATTEST)], pin, chain_id)
        values, at = [], len(ATTEST)
        for sources, _ in plan:
            values.append(sum_of([_result(found) for found in results[at : at + len(sources)]]))
            at += len(sources)
        return Answer(values)

    async def read_page(self, node: Node, chain_id: int, pin: Pin, sources: Sources, addresses: str) -> PageAnswer:
        """See `Rung`."""
        first = self._attestation(node.number_from_arbsys, pin.number)
        each = [self._of_any(source) for source in sources]
        data = await self._run(node, encode_page(first, each, addresses), attest.where(pin, node.hash_pins))
        count = len(addresses) // 40
        if (found := decode_page(data, len(first), len(each))) is not None and len(found[1]) == NARROW * count:
            attest.check(found[0], pin, chain_id)
            return PageAnswer(as_text(found[1]))
        results = decode_aggregate3(data, len(first) + len(each) * count)
        attest.check(results[: len(first)], pin, chain_id)
        starts = range(len(first), len(results), len(each) or 1)
        sums = [sum_of([_result(one) for one in results[at : at + len(each)]]) for at in starts]
        return page_answer([value if isinstance(value, int) else None for value in sums])

    async def attested(self, node: Node, at: Any, arbsys: bool, number: int) -> Sequence[Word]:
        """See `Rung`."""
        return await self._aggregate(node, self._attestation(arbsys, number), at)

    async def ancestors(self, node: Node, chain_id: int, tip: Header, numbers: Sequence[int]) -> list[Word]:
        """See `Rung`."""
        pin, arbsys = Pin(tip.number, tip.hash, tip), node.number_from_arbsys
        to, call = (ARBSYS, ARB_BLOCK_HASH) if arbsys else (self._address, GET_BLOCK_HASH)
        calls = [*self._attestation(arbsys, tip.number), *((to, call + word(one)) for one in numbers)]
        results = await self._aggregate(node, calls, attest.where(pin, node.hash_pins))
        attest.check(results[: len(ATTEST)], pin, chain_id)
        return [found if found is not None and len(found) == 32 and any(found) else None for found in results[len(ATTEST) :]]

    def _attestation(self, arbsys: bool, number: int) -> list[Call]:
        calls = [(self._address, selector) for selector in ATTEST]
        if arbsys:
            # There NUMBER and BLOCKHASH are about the other chain's blocks.
            calls[0] = (ARBSYS, ARB_BLOCK_NUMBER)
            calls[1] = (ARBSYS, ARB_BLOCK_HASH + word(max(0, number - 1)))
        return calls

    def _of_any(self, source: Source) -> Call:
        """A source's call up to the wallet."""
        if source.contract is None or source.selector is None:
            return self._address, encode_call_address(GET_ETH_BALANCE, b"")
        return source.contract, encode_call_address(source.selector, b"")

    def _call(self, source: Source, wallet: bytes) -> Call:
        target, data = self._of_any(source)
        return target, data + wallet

    async def _aggregate(self, node: Node, calls: Sequence[Call], at: Any) -> list[Word]:
        return decode_aggregate3(await self._run(node, "0x" + encode_aggregate3(calls).hex(), at), len(calls))

    async def _run(self, node: Node, data: str, at: Any) -> bytes:
        answer = await node.call("eth_call", [{"to": "0x" + self._address.hex(), "data": data}, at])
        if answer == "0x":
            raise NodeBehind("no Multicall3 at that address and block")
        return attest.from_hex(answer)


def _result(found: Word) -> tuple[int, Word]:
    return (-1, None) if found is None else (len(found), found)
