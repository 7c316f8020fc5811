"""Reads prove which block and branch they are from, and a wallet has a whole sum or none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from actors.errors import BadAnswer, NodeBehind, NodeError, Permanent, Throttled, Transient, WrongBlock
from actors.evm.abi import parse_call
from actors.evm.block import Header, Pin
from actors.evm.multicall3 import word
from actors.evm.reader import Failure, ancestors, probe, read
from actors.evm.source import Source
from tests.evm.fake_node import CHAIN_ID, MULTICALL3, FakeNode, header_of

TOKEN, STAKING = b"\x01" * 20, b"\x02" * 20
BALANCE_OF, STAKED = parse_call("balanceOf(address)"), parse_call("totalStakedFor(address)")
HELD, LOCKED, NATIVE = Source(TOKEN, BALANCE_OF), Source(STAKING, STAKED), Source(None, None)
ANN, BOB = b"\xa1" * 20, b"\xb2" * 20
PIN = Pin(8, header_of(8).hash, header_of(8))


def node_with(held: dict[bytes, bytes | None], locked: bytes | None = word(0), **more: Any) -> FakeNode:
    answers: dict[tuple[bytes, bytes], Callable[[bytes], bytes | None]] = {
        (TOKEN, BALANCE_OF): lambda wallet: held.get(wallet, word(0)),
        (STAKING, STAKED): lambda wallet: locked,
    }
    return FakeNode(answers=answers, native={ANN: 1000}, **more)


async def one(node: FakeNode, sources: tuple[Source, ...] = (HELD,), pin: Pin = PIN) -> int | Failure:
    (found,) = await read(node, MULTICALL3, CHAIN_ID, pin, [(sources, ANN)])
    return found


async def test_each_wallet_has_the_sum_of_its_own_sources() -> None:
    node = node_with({ANN: word(5), BOB: word(7)}, locked=word(30))
    plan = [((HELD, LOCKED), ANN), ((NATIVE,), ANN), ((HELD,), BOB), ((NATIVE, HELD), BOB)]
    assert await read(node, MULTICALL3, CHAIN_ID, PIN, plan) == [35, 1000, 7, 7]
    assert len(node.asked) == 1


async def test_a_wallet_that_fails_leaves_the_others_alone() -> None:
    node = node_with({ANN: None, BOB: word(7)})
    found = await read(node, MULTICALL3, CHAIN_ID, PIN, [((HELD,), ANN), ((HELD, LOCKED), BOB)])
    assert found == [Failure("source 0 reverted"), 7]


@pytest.mark.parametrize("size", [0, 31, 33, 64])
async def test_anything_but_one_word_is_a_failure_and_never_zero(size: int) -> None:
    found = await one(node_with({ANN: word(5)}, locked=bytes(size)), (HELD, LOCKED))
    assert found == Failure(f"source 1 answered {size} bytes instead of 32")


async def test_zero_is_a_value() -> None:
    assert await one(node_with({ANN: word(0)})) == 0


@pytest.mark.parametrize(("held", "locked"), [(2**256 - 1, 0), (2**256 - 2, 1), (2**255, 2**255), (2**256 - 1, 2**256 - 1)])
async def test_a_sum_that_does_not_fit_is_a_failure(held: int, locked: int) -> None:
    assert await one(node_with({ANN: word(held)}, word(locked)), (HELD, LOCKED)) == Failure("overflow")


async def test_the_largest_sum_that_fits() -> None:
    assert await one(node_with({ANN: word(2**256 - 3)}, word(1)), (HELD, LOCKED)) == 2**256 - 2


async def test_a_wallet_without_sources_has_no_sum() -> None:
    assert await one(FakeNode(), ()) == Failure("no sources")


async def test_no_wallets_at_all_is_still_attested() -> None:
    assert await read(FakeNode(), MULTICALL3, CHAIN_ID, PIN, []) == []
    with pytest.raises(WrongBlock):
        await read(FakeNode(ignores_block=True), MULTICALL3, CHAIN_ID, PIN, [])


@pytest.mark.parametrize(
    "changes",
    [{"number": 9}, {"parent": b"\x55" * 32}, {"timestamp": 1}, {"prevrandao": b"\x55" * 32}],
    ids=["number", "parent", "timestamp", "prevrandao"],
)
@pytest.mark.parametrize("hash_pins", [True, False])
async def test_an_answer_that_attests_another_block_is_thrown_away(changes: dict[str, Any], hash_pins: bool) -> None:
    node = node_with({ANN: word(5)}, hash_pins=hash_pins)
    node.disturb = lambda header: replace(header, **changes)
    with pytest.raises(WrongBlock):
        await one(node)


async def test_an_answer_from_another_chain_is_thrown_away() -> None:
    with pytest.raises(WrongBlock, match="answered from chain 5, chain 31337"):
        await one(node_with({ANN: word(5)}, chain_id=5))


async def test_an_answer_from_the_same_height_of_another_branch_is_thrown_away() -> None:
    node = node_with({ANN: word(5)})
    node.disturb = lambda header: header_of(header.number, "fork")
    with pytest.raises(WrongBlock, match="another branch"):
        await one(node)


async def test_an_answer_from_the_head_is_not_one_from_the_pin() -> None:
    with pytest.raises(WrongBlock, match="answered from block 10, block 8 was asked for"):
        await one(node_with({ANN: word(5)}, ignores_block=True))


async def test_the_pin_goes_as_a_canonical_hash_or_as_a_number() -> None:
    by_hash, by_number = node_with({ANN: word(5)}, hash_pins=True), node_with({ANN: word(5)}, hash_pins=False)
    await one(by_hash)
    await one(by_number)
    assert by_hash.asked[0][1][1] == {"blockHash": "0x" + header_of(8).hash.hex(), "requireCanonical": True}
    assert by_number.asked[0][1][1] == "0x8"


async def test_gas_is_sent_where_it_is_given() -> None:
    node = FakeNode()
    await read(node, MULTICALL3, CHAIN_ID, PIN, [])
    await read(node, MULTICALL3, CHAIN_ID, PIN, [], 50_000_000)
    assert "gas" not in node.asked[0][1][0]
    assert node.asked[1][1][0]["gas"] == "0x2faf080"


async def test_the_first_block_has_no_parent_to_compare() -> None:
    node = node_with({ANN: word(5)})
    node.disturb = lambda header: replace(header, parent=bytes(32))
    assert await one(node, pin=Pin(0, header_of(0).hash, header_of(0))) == 5


async def test_arbitrums_blocks_are_numbered_by_arbsys() -> None:
    node = node_with({ANN: word(5)}, arbitrum=True, number_from_arbsys=True)
    assert await one(node) == 5
    node.disturb = lambda header: header_of(header.number, "fork")
    with pytest.raises(WrongBlock, match="another branch"):
        await one(node)
    node.number_from_arbsys = False
    with pytest.raises(WrongBlock, match="block 20000008"):
        await one(node)


@pytest.mark.parametrize("answer", [None, 5, {}, "", "0x1", "0xzz", "<html>", "0x" + "00" * 64, "0x" + "ff" * 64])
async def test_what_is_no_answer_of_aggregate3_is_a_bad_answer(answer: object) -> None:
    with pytest.raises(BadAnswer):
        await one(FakeNode(reply=lambda text: answer))


@pytest.mark.parametrize("cut", [2, 64, 66])
async def test_an_answer_that_is_cut_short_is_a_bad_answer(cut: int) -> None:
    with pytest.raises(BadAnswer):
        await one(node_with({ANN: word(5)}, reply=lambda text: text[:-cut]))


async def test_no_code_at_the_pin_is_the_nodes_matter() -> None:
    with pytest.raises(NodeBehind, match="no Multicall3"):
        await one(FakeNode(reply=lambda text: "0x"))


async def test_a_probe_finds_that_hashes_are_honoured_and_is_done_once() -> None:
    node = FakeNode()
    await probe(node, MULTICALL3, CHAIN_ID)
    assert (node.probed, node.hash_pins, node.number_from_arbsys) == (True, True, False)
    asked = len(node.asked)
    await probe(node, MULTICALL3, CHAIN_ID)
    assert len(node.asked) == asked


async def test_a_probe_finds_arbitrum() -> None:
    node = FakeNode(arbitrum=True)
    await probe(node, MULTICALL3, CHAIN_ID)
    assert (node.probed, node.hash_pins, node.number_from_arbsys) == (True, True, True)


async def test_a_probe_at_the_first_block() -> None:
    node = FakeNode(head=0)
    await probe(node, MULTICALL3, CHAIN_ID)
    assert (node.probed, node.hash_pins) == (True, True)


class HeadAtAnyHash(FakeNode):
    """Takes the object, looks at nothing in it."""

    def _block(self, where: Any) -> Header:
        return super()._block(where) if isinstance(where, str) else header_of(self.head)


@pytest.mark.parametrize(
    "node",
    [FakeNode(takes_hashes=False), FakeNode(takes_any_hash=True), HeadAtAnyHash()],
    ids=["refuses hashes", "answers a made-up hash", "answers from the head"],
)
async def test_hash_pins_that_are_not_honoured_are_not_used(node: FakeNode) -> None:
    await probe(node, MULTICALL3, CHAIN_ID)
    assert (node.probed, node.hash_pins) == (True, False)


async def test_a_refusal_in_unknown_words_is_one_where_the_node_answers_otherwise() -> None:
    node = FakeNode(refusal=Transient("eth_call: the hash is a stranger (-32000)"))
    await probe(node, MULTICALL3, CHAIN_ID)
    assert (node.probed, node.hash_pins) == (True, True)


async def test_being_throttled_is_no_refusal_of_a_hash() -> None:
    node = FakeNode(refusal=Throttled("slow down"))
    with pytest.raises(Throttled):
        await probe(node, MULTICALL3, CHAIN_ID)
    assert (node.probed, node.hash_pins) == (False, None)


class DiesAfter(FakeNode):
    """Answers this many calls, then none."""

    left = 0

    async def call(self, method: str, params: list[Any]) -> Any:
        self.left -= 1
        if self.left < 0:
            raise Transient("connection refused")
        return await super().call(method, params)


@pytest.mark.parametrize("left", [0, 1, 2, 3])
async def test_a_node_that_dies_meanwhile_is_probed_again(left: int) -> None:
    node = DiesAfter()
    node.left = left
    with pytest.raises(Transient):
        await probe(node, MULTICALL3, CHAIN_ID)
    assert (node.probed, node.hash_pins, node.number_from_arbsys) == (False, None, False)
    node.left = 100
    await probe(node, MULTICALL3, CHAIN_ID)
    assert (node.probed, node.hash_pins) == (True, True)


@pytest.mark.parametrize(
    ("node", "error", "says"),
    [
        (FakeNode(head=-1), NodeBehind, "no head"),
        (FakeNode(has_multicall3=False), Permanent, "no Multicall3 at 0xca11bde05977b3631167028862be2a173976ca11 in block 10"),
        (FakeNode(chain_id=1), WrongBlock, "answers from chain 1"),
        (FakeNode(ignores_block=True), WrongBlock, "cannot attest"),
    ],
)
async def test_what_cannot_attest_is_not_read(node: FakeNode, error: type[NodeError], says: str) -> None:
    with pytest.raises(error, match=says):
        await probe(node, MULTICALL3, CHAIN_ID)
    assert not node.probed


async def test_a_blocks_ancestors_come_in_one_answer_that_is_the_blocks_own() -> None:
    node = FakeNode(hash_pins=True)
    tip = header_of(9)
    found = await ancestors(node, MULTICALL3, CHAIN_ID, tip, [8, 5, 9])
    assert found == [header_of(8).hash, header_of(5).hash, None]
    assert len(node.asked) == 1
    node.disturb = lambda header: header_of(header.number, "fork")
    with pytest.raises(WrongBlock):
        await ancestors(node, MULTICALL3, CHAIN_ID, tip, [8])
