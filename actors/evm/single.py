"""The rung *single*: one `eth_call` a source, where a node can do nothing better. Nothing in such an answer says which block it is from, so
this is used only by a hash pin that the node was seen to honour, and each request asks before and after whether it still looks at hashes:
for a balance and for a call in a block that nobody has, since a node may look at the one's and not at the other's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.errors import BadAnswer, NodeError, Permanent, TooLarge, WrongBlock
from actors.evm import attest
from actors.evm.abi import encode_call_address
from actors.evm.attest import Word
from actors.evm.block import Header, Pin
from actors.evm.jsonrpc import BATCH_AT_ONCE
from actors.evm.rung import Answer, Node, PageAnswer, Plan, Sources, page_answer, plan_of, sum_of
from actors.evm.source import Source

MADE_UP_HASH = bytes.fromhex("deadbeef" * 8)
NOBODY = "0x" + bytes(20).hex()


def asked_of_nobody(block_hash: bytes = MADE_UP_HASH) -> list[tuple[str, list[Any]]]:
    """The kinds of question that this rung asks, about nobody's account."""
    at = attest.at_hash(block_hash)
    return [("eth_getBalance", [NOBODY, at]), ("eth_call", [{"to": NOBODY, "data": "0x"}, at])]


NOBODYS = asked_of_nobody()
AT_ONCE = BATCH_AT_ONCE - 2 * len(NOBODYS)


class Single:
    """The rung."""

    name = "single"
    most = 100

    async def read(self, node: Node, chain_id: int, pin: Pin, plan: Plan, wide: bool = False) -> Answer:
        """See `Rung`."""
        if not node.hash_pins:
            raise WrongBlock("single calls prove no block without a hash pin")
        at = attest.at_hash(pin.hash)
        calls = [_call(source, wallet, at) for sources, wallet in plan for source in sources]
        answers = [answer for at in range(0, len(calls), AT_ONCE) for answer in await self._proven(node, calls[at : at + AT_ONCE])]
        values, first = [], 0
        for sources, _ in plan:
            pairs = zip(sources, answers[first : first + len(sources)], strict=True)
            values.append(sum_of([_result(source, answer) for source, answer in pairs]))
            first += len(sources)
        return Answer(values)

    async def _proven(self, node: Node, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """The answers to one request. Raises WrongBlock where it does not look at hashes."""
        found = await node.batch([*NOBODYS, *calls, *NOBODYS])
        if not all(isinstance(answer, NodeError) for answer in (*found[: len(NOBODYS)], *found[-len(NOBODYS) :])):
            raise WrongBlock("answers from blocks that nobody has")
        return found[len(NOBODYS) : -len(NOBODYS)]

    async def read_page(self, node: Node, chain_id: int, pin: Pin, sources: Sources, addresses: str) -> PageAnswer:
        """See `Rung`."""
        answer = await self.read(node, chain_id, pin, plan_of(sources, addresses))
        return page_answer([value if isinstance(value, int) else None for value in answer.values])

    async def attested(self, node: Node, at: Any, arbsys: bool, number: int) -> Sequence[Word]:
        """Nothing is."""
        raise Permanent("single calls attest nothing")

    async def ancestors(self, node: Node, chain_id: int, tip: Header, numbers: Sequence[int]) -> list[Word]:
        """None of them is told."""
        return [None] * len(numbers)


def _call(source: Source, wallet: bytes, at: Any) -> tuple[str, list[Any]]:
    if source.contract is None or source.selector is None:
        return "eth_getBalance", ["0x" + wallet.hex(), at]
    return "eth_call", [{"to": "0x" + source.contract.hex(), "data": "0x" + encode_call_address(source.selector, wallet).hex()}, at]


def _result(source: Source, answer: Any) -> tuple[int, Word]:
    """A source that reverts or burns all gas is an error of the node's here, and a failed sub-call on the other rungs."""
    if isinstance(answer, (Permanent, TooLarge)):
        return -1, None
    if isinstance(answer, NodeError):
        raise answer
    if source.contract is None:
        return 32, _quantity(answer)
    data = attest.from_hex(answer)
    return len(data), data


def _quantity(answer: Any) -> bytes:
    try:
        return int(answer, 16).to_bytes(32, "big")
    except (TypeError, ValueError, OverflowError) as error:
        raise BadAnswer("eth_getBalance: no number") from error
