"""Reads prove which block and branch they are from, and a wallet has a whole sum or none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from actors.errors import BadAnswer, NodeBehind, NodeError, Permanent, Throttled, Transient, WrongBlock
from actors.evm.abi import parse_call
from actors.evm.aggregate3 import word
from actors.evm.block import Header, Pin
from actors.evm.jsonrpc import BATCH_AT_ONCE
from actors.evm.reader import Reader
from actors.evm.rung import Failure
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


@pytest.fixture(params=["packed", "multicall3", "deployless"])
def reader(request: pytest.FixtureRequest) -> Reader:
    """One rung alone."""
    return Reader(CHAIN_ID, MULTICALL3, request.param)


@pytest.fixture
def ladder() -> Reader:
    """All of them."""
    return Reader(CHAIN_ID, MULTICALL3)


async def one(reader: Reader, node: FakeNode, sources: tuple[Source, ...] = (HELD,), pin: Pin = PIN) -> int | Failure:
    (found,) = (await reader.read(node, pin, [(sources, ANN)])).values
    return found


async def test_each_wallet_has_the_sum_of_its_own_sources(reader: Reader) -> None:
    node = node_with({ANN: word(5), BOB: word(7)}, locked=word(30))
    plan = [((HELD, LOCKED), ANN), ((NATIVE,), ANN), ((HELD,), BOB), ((NATIVE, HELD), BOB)]
    assert (await reader.read(node, PIN, plan)).values == [35, 1000, 7, 7]
    assert len(node.asked) == 1


async def test_a_wallet_that_fails_leaves_the_others_alone(reader: Reader) -> None:
    node = node_with({ANN: None, BOB: word(7)})
    found = (await reader.read(node, PIN, [((HELD,), ANN), ((HELD, LOCKED), BOB)])).values
    assert isinstance(found[0], Failure)  # the reason is told to who asks for it alone
    assert found[1] == 7


@pytest.mark.parametrize("size", [0, 31, 33, 64])
async def test_anything_but_one_word_is_a_failure_and_never_zero(reader: Reader, size: int) -> None:
    found = await one(reader, node_with({ANN: word(5)}, locked=bytes(size)), (HELD, LOCKED))
    assert found == Failure(f"source 1 answered {size} bytes instead of 32")


async def test_zero_is_a_value(reader: Reader) -> None:
    assert await one(reader, node_with({ANN: word(0)})) == 0


@pytest.mark.parametrize(("held", "locked"), [(2**256 - 1, 0), (2**256 - 2, 1), (2**255, 2**255), (2**256 - 1, 2**256 - 1)])
async def test_a_sum_that_does_not_fit_is_a_failure(reader: Reader, held: int, locked: int) -> None:
    assert await one(reader, node_with({ANN: word(held)}, word(locked)), (HELD, LOCKED)) == Failure("overflow")


async def test_the_largest_sum_that_fits(reader: Reader) -> None:
    assert await one(reader, node_with({ANN: word(2**256 - 3)}, word(1)), (HELD, LOCKED)) == 2**256 - 2


async def test_a_wallet_without_sources_has_no_sum(reader: Reader) -> None:
    assert await one(reader, FakeNode(), ()) == Failure("no sources")


async def test_no_wallets_at_all_is_still_attested(reader: Reader) -> None:
    assert (await reader.read(FakeNode(), PIN, [])).values == []
    with pytest.raises(WrongBlock):
        await reader.read(FakeNode(ignores_block=True), PIN, [])


@pytest.mark.parametrize(
    "changes",
    [{"number": 9}, {"parent": b"\x55" * 32}, {"timestamp": 1}, {"prevrandao": b"\x55" * 32}],
    ids=["number", "parent", "timestamp", "prevrandao"],
)
@pytest.mark.parametrize("hash_pins", [True, False])
async def test_an_answer_that_attests_another_block_is_thrown_away(reader: Reader, changes: dict[str, Any], hash_pins: bool) -> None:
    node = node_with({ANN: word(5)}, hash_pins=hash_pins)
    node.disturb = lambda header: replace(header, **changes)
    with pytest.raises(WrongBlock):
        await one(reader, node)


async def test_an_answer_from_another_chain_is_thrown_away(reader: Reader) -> None:
    with pytest.raises(WrongBlock, match="answered from chain 5, chain 31337"):
        await one(reader, node_with({ANN: word(5)}, chain_id=5))


async def test_an_answer_from_the_same_height_of_another_branch_is_thrown_away(reader: Reader) -> None:
    node = node_with({ANN: word(5)})
    node.disturb = lambda header: header_of(header.number, "fork")
    with pytest.raises(WrongBlock, match="another branch"):
        await one(reader, node)


async def test_an_answer_from_the_head_is_not_one_from_the_pin(reader: Reader) -> None:
    with pytest.raises(WrongBlock, match="answered from block 10, block 8 was asked for"):
        await one(reader, node_with({ANN: word(5)}, ignores_block=True))


async def test_the_pin_goes_as_a_canonical_hash_or_as_a_number(reader: Reader) -> None:
    by_hash, by_number = node_with({ANN: word(5)}, hash_pins=True), node_with({ANN: word(5)}, hash_pins=False)
    await one(reader, by_hash)
    await one(reader, by_number)
    assert by_hash.asked[0][1][1] == {"blockHash": "0x" + header_of(8).hash.hex(), "requireCanonical": True}
    assert by_number.asked[0][1][1] == "0x8"


async def test_the_first_block_has_no_parent_to_compare(reader: Reader) -> None:
    node = node_with({ANN: word(5)})
    node.disturb = lambda header: replace(header, parent=bytes(32))
    assert await one(reader, node, pin=Pin(0, header_of(0).hash, header_of(0))) == 5


async def test_arbitrums_blocks_are_numbered_by_arbsys(reader: Reader) -> None:
    node = node_with({ANN: word(5)}, arbitrum=True, number_from_arbsys=True)
    assert await one(reader, node) == 5
    node.disturb = lambda header: header_of(header.number, "fork")
    with pytest.raises(WrongBlock, match="another branch"):
        await one(reader, node)
    node.number_from_arbsys = False
    with pytest.raises(WrongBlock, match="block 20000008"):
        await one(reader, node)


@pytest.mark.parametrize("answer", [None, 5, {}, "", "0x1", "0xzz", "<html>", "0x" + "00" * 64, "0x" + "ff" * 64])
async def test_what_is_no_answer_of_aggregate3_is_a_bad_answer(reader: Reader, answer: object) -> None:
    with pytest.raises(BadAnswer):
        await one(reader, FakeNode(reply=lambda text: answer))


@pytest.mark.parametrize("cut", [2, 64, 66])
async def test_an_answer_that_is_cut_short_is_a_bad_answer(reader: Reader, cut: int) -> None:
    with pytest.raises(BadAnswer):
        await one(reader, node_with({ANN: word(5)}, reply=lambda text: text[:-cut]))


async def test_no_code_at_the_pin_is_the_nodes_matter(reader: Reader) -> None:
    with pytest.raises((NodeBehind, Permanent), match="no Multicall3|is not run"):
        await one(reader, FakeNode(reply=lambda text: "0x"))


async def test_a_probe_finds_that_hashes_are_honoured_and_is_done_once(reader: Reader) -> None:
    node = FakeNode()
    await reader.probe(node)
    assert (node.probed, node.hash_pins, node.number_from_arbsys) == (True, True, False)
    asked = len(node.asked)
    await reader.probe(node)
    assert len(node.asked) == asked


async def test_a_probe_finds_arbitrum(reader: Reader) -> None:
    node = FakeNode(arbitrum=True)
    await reader.probe(node)
    assert (node.probed, node.hash_pins, node.number_from_arbsys) == (True, True, True)


async def test_a_probe_at_the_first_block(reader: Reader) -> None:
    node = FakeNode(head=0)
    await reader.probe(node)
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
async def test_hash_pins_that_are_not_honoured_are_not_used(reader: Reader, node: FakeNode) -> None:
    node = replace(node)
    await reader.probe(node)
    assert (node.probed, node.hash_pins) == (True, False)


async def test_a_refusal_in_unknown_words_is_one_where_the_node_answers_otherwise(reader: Reader) -> None:
    node = FakeNode(refusal=Transient("eth_call: the hash is a stranger (-32000)"))
    await reader.probe(node)
    assert (node.probed, node.hash_pins) == (True, True)


async def test_being_throttled_is_no_refusal_of_a_hash(reader: Reader) -> None:
    node = FakeNode(refusal=Throttled("slow down"))
    with pytest.raises(Throttled):
        await reader.probe(node)
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
async def test_a_node_that_dies_meanwhile_is_probed_again(reader: Reader, left: int) -> None:
    node = DiesAfter()
    node.left = left
    with pytest.raises(Transient):
        await reader.probe(node)
    assert (node.probed, node.hash_pins, node.number_from_arbsys) == (False, None, False)
    node.left = 100
    await reader.probe(node)
    assert (node.probed, node.hash_pins) == (True, True)


@pytest.mark.parametrize(
    ("node", "error", "says"),
    [
        (FakeNode(head=-1), NodeBehind, "no head"),
        (FakeNode(chain_id=1), WrongBlock, "answers from chain 1"),
        (FakeNode(ignores_block=True), WrongBlock, "cannot attest"),
    ],
)
async def test_what_cannot_attest_is_not_read(reader: Reader, node: FakeNode, error: type[NodeError], says: str) -> None:
    node = replace(node)
    with pytest.raises(error, match=says):
        await reader.probe(node)
    assert not node.probed


NOTHING: dict[str, Any] = {"overrides": False, "has_multicall3": False, "deploys": False, "takes_hashes": False}


@pytest.mark.parametrize(
    ("serves", "rungs"),
    [
        ({}, ("packed", "multicall3", "deployless", "single")),
        ({"overrides": False}, ("multicall3", "deployless", "single")),
        ({"has_multicall3": False}, ("packed", "deployless", "single")),
        ({"overrides": False, "has_multicall3": False}, ("deployless", "single")),
        ({"takes_hashes": False}, ("packed", "multicall3", "deployless")),
        ({"takes_any_hash": True}, ("packed", "multicall3", "deployless")),
        ({**NOTHING, "takes_hashes": True}, ("single",)),
    ],
)
async def test_the_ladder_has_the_rungs_that_the_endpoint_serves(ladder: Reader, serves: dict[str, Any], rungs: tuple[str, ...]) -> None:
    node = node_with({ANN: word(5)}, **serves)
    await ladder.probe(node)
    assert node.rungs == rungs
    assert await one(ladder, node) == 5


async def test_an_endpoint_that_serves_no_rung_says_why_of_each(ladder: Reader) -> None:
    with pytest.raises(Permanent, match="packed.*no Multicall3 at 0xca11bde05977b3631167028862be2a173976ca11.*deployless"):
        await ladder.probe(FakeNode(**NOTHING))


@dataclass
class OneAtTheHead(FakeNode):
    """Looks at a hash in one kind of question, and answers the other from its head."""

    careless: str = "eth_call"

    async def call(self, method: str, params: list[Any]) -> Any:
        if method == self.careless:
            params = [params[0], hex(self.head), *params[2:]]
        return await super().call(method, params)


@pytest.mark.parametrize("careless", ["eth_call", "eth_getBalance"])
async def test_single_calls_are_made_only_where_balances_and_calls_are_both_pinned(ladder: Reader, careless: str) -> None:
    with pytest.raises(Permanent, match="nothing reads here"):
        await ladder.probe(OneAtTheHead(**NOTHING | {"takes_hashes": True}, careless=careless))
    ceased = OneAtTheHead(hash_pins=True, rungs=("single",), careless=careless)
    with pytest.raises(WrongBlock, match="nobody has"):
        await one(ladder, ceased)


class Balancer(FakeNode):
    """Each request goes to another replica, and one of them does not look at hashes."""

    requests = 0

    async def batch(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        found: list[Any] = []
        for at in range(0, len(calls), BATCH_AT_ONCE):  # as an endpoint parts them
            self.requests += 1
            self.takes_any_hash = self.requests == 2
            found += await super().batch(calls[at : at + BATCH_AT_ONCE])
        return found


async def test_each_request_of_single_calls_shows_anew_that_it_looks_at_hashes() -> None:
    node, reader = Balancer(hash_pins=True, rungs=("single",)), Reader(CHAIN_ID, MULTICALL3, "single")
    plan = [((NATIVE, NATIVE, NATIVE), ANN)] * 100
    with pytest.raises(WrongBlock, match="nobody has"):
        await reader.read(node, PIN, plan)
    assert node.requests == 2


async def test_single_calls_prove_nothing_without_a_hash_pin() -> None:
    with pytest.raises(WrongBlock):
        await one(Reader(CHAIN_ID, MULTICALL3, "single"), node_with({ANN: word(5)}))


async def test_sums_of_more_than_sixteen_bytes_are_marked_and_told_to_who_asks_for_words() -> None:
    held: dict[bytes, bytes | None] = {ANN: word(2**128 - 2), BOB: word(2**128 - 1)}
    node = node_with(held)
    plan, reader = [((HELD,), ANN), ((HELD,), BOB), ((NATIVE,), ANN)], Reader(CHAIN_ID, MULTICALL3, "packed")
    found = await reader.read(node, PIN, plan)
    assert (found.values, found.marked) == ([2**128 - 2, Failure("has no sum"), 1000], True)
    wide = await reader.read(node, PIN, plan, wide=True)
    assert (wide.values, wide.marked) == ([2**128 - 2, 2**128 - 1, 1000], False)


async def test_what_a_call_cost_is_told() -> None:
    node = node_with({}, gas=1_000_000)
    wallets = [number.to_bytes(20, "big") for number in range(1, 101)]
    gas = (await Reader(CHAIN_ID, MULTICALL3, "packed").read(node, PIN, [((HELD, LOCKED), wallet) for wallet in wallets])).gas
    assert gas is not None
    assert (gas.holders, gas.given) == (100, 1_000_000 - 3 + 21_000 + 16 * 2000)
    assert 100 * 2 * 700 < gas.used < 100 * 2 * 1200


async def test_a_blocks_ancestors_come_in_one_answer_that_is_the_blocks_own(reader: Reader) -> None:
    node = FakeNode(hash_pins=True)
    tip = header_of(9)
    found = await reader.ancestors(node, tip, [8, 5, 9])
    assert found == [header_of(8).hash, header_of(5).hash, None]
    assert len(node.asked) == 1
    node.disturb = lambda header: header_of(header.number, "fork")
    with pytest.raises(WrongBlock):
        await reader.ancestors(node, tip, [8])


async def test_another_rung_is_probed_before_it_is_read_by(ladder: Reader) -> None:
    node = node_with({ANN: word(5)})
    await ladder.probe(node)
    ladder.use("multicall3")
    assert (await one(ladder, node), ladder.rung(node).name) == (5, "packed")
    node.probed = False
    await ladder.probe(node)
    assert (await one(ladder, node), ladder.rung(node).name, node.rungs) == (5, "multicall3", ("multicall3",))


async def test_a_probe_of_other_rungs_than_are_wanted_by_its_end_is_made_again(ladder: Reader) -> None:
    node = node_with({ANN: word(5)})
    head = node.header

    async def changes_meanwhile(at: Any) -> Header | None:
        ladder.use("deployless")
        return await head(at)

    node.header = changes_meanwhile  # type: ignore[method-assign]
    before = ladder._ladder
    await ladder.probe(node)
    assert before != ladder._ladder
    await ladder.probe(node)
    assert (node.probed, node.rungs) == (True, ("deployless",))
