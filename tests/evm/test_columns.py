"""A page by columns says what its logs say one by one, or declines."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.errors import BadAnswer, DecodeError
from actors.evm.aggregate3 import word
from actors.evm.columns import Asked, Found, by_columns, shapes_of
from actors.evm.logs import Trigger, decode_log

TOKEN, POOL, OTHER = (f"0x{byte:02x}" + "ab" * 19 for byte in (1, 2, 3))
TRANSFER = Trigger.parse(TOKEN, "Transfer(address indexed from, address indexed to, uint256 value)", ["from", "to"])
STAKED = Trigger.parse(POOL, "Staked(uint256 indexed id, address indexed who)", ["who"])
PLAIN = Trigger.parse(TOKEN, "Paid(address to)", ["to"])
HIRED = Trigger.parse(POOL, "Hired(address who)", ["who"])
TRIGGERS = [TRANSFER, STAKED, HIRED]
SHAPES = shapes_of(TRIGGERS)
ASKED = Asked(10, 13, 13, b"\x0d" * 32, 11)
WALLETS = [bytes(20), *(bytes([n]) * 20 for n in range(1, 4))]
Log = dict[str, Any]


def entry(trigger: Trigger, topics: list[bytes], data: bytes, block: int, index: int) -> Log:
    return {
        "address": "0x" + trigger.contract.hex(),
        "topics": ["0x" + each.hex() for each in (trigger.event.topic0, *topics)],
        "data": "0x" + data.hex(),
        "blockNumber": hex(block),
        "blockHash": "0x" + (bytes([block]) * 32).hex(),
        "logIndex": hex(index),
        "removed": False,
    }


def topic(wallet: bytes) -> bytes:
    return bytes(12) + wallet


def transfer(sender: bytes, receiver: bytes, block: int, index: int = 0) -> Log:
    return entry(TRANSFER, [topic(sender), topic(receiver)], word(5), block, index)


def staked(who: bytes, block: int, index: int = 0) -> Log:
    return entry(STAKED, [b"\xee" * 32, topic(who)], b"", block, index)


def hired(who: bytes, block: int, index: int = 0) -> Log:
    return entry(HIRED, [], topic(who), block, index)


def by_both(entries: list[Log]) -> Found | None:
    """What the page says by columns, and what is of no shape by itself; None where the page is declined."""
    found = by_columns(SHAPES, entries, ASKED)
    if found is None:
        return None
    others, found.others = list(found.others), []
    return one_by_one(others, found)


def one_by_one(entries: Sequence[Mapping[str, Any]], found: Found | None = None) -> Found | None:
    """What the logs say by themselves; None where any of them would be refused, skipped or is of another block than was asked for."""
    found = found or Found()
    for each in entries:
        try:
            event = decode_log(TRIGGERS, each)
        except (BadAnswer, DecodeError):
            return None
        if event is None or event.removed or not ASKED.first <= event.block <= ASKED.last:
            return None
        if event.block == ASKED.target and event.block_hash != ASKED.target_hash:
            return None
        if event.block > ASKED.ids_above:
            found.ids.add((event.block_hash, event.index, event.block))
        for wallet in event.wallets:
            found.newest[wallet] = max(event.block, found.newest.get(wallet, -1))
    return found


LOGS = st.builds(
    lambda block, index, one, two, kind: transfer(one, two, block, index) if kind == 0 else (staked, hired)[kind % 2](one, block, index),
    st.integers(10, 13), st.integers(0, 300), st.sampled_from(WALLETS), st.sampled_from(WALLETS), st.sampled_from([0, 0, 1, 2]),
)  # fmt: skip
PAGES = st.lists(LOGS, max_size=12).map(lambda page: sorted(page, key=lambda each: int(each["blockNumber"], 16)))
WORDS = ["0x", "", "0X" + "00" * 32, "0x" + "0g" * 32, "0x" + " 0" * 32, "0x" + "00 " * 21 + "0", "00" * 33, "0x" + "00" * 31, "ab0x" + "0" * 62]
ODD: list[Any] = [
    None, 5, -1, True, [], {}, ["0x1"], "later", "0x", "", " 0xb ", "0x0b", "-0x1", "0b", "0xff", "0x9", "0xd", "0x" + "07" * 32, OTHER, TOKEN.upper(),
    "0x" + "0D" * 32, *WORDS,
]  # fmt: skip
NAMES = ["address", "data", "blockNumber", "blockHash", "logIndex", "removed"]


def odd_topics(topics: list[str], at: int, value: Any) -> Any:
    return [*topics[:at], value, *topics[at + 1 :]] if at < 4 else value


@settings(deadline=None)  # the first of them imports eth_abi
@given(PAGES)
def test_a_page_as_they_nearly_always_are_is_read_by_columns(page: list[Log]) -> None:
    found = by_both(page)
    assert found is not None
    assert found == one_by_one(page)


@settings(deadline=None)  # the first of them imports eth_abi
@given(PAGES)
def test_what_is_of_no_shape_alone_is_left_over(page: list[Log]) -> None:
    found = by_columns(SHAPES, page, ASKED)
    assert found is not None
    assert found.others == [log for log in page if log["topics"][0] == "0x" + HIRED.event.topic0.hex()]


@settings(max_examples=500, deadline=None)
@given(st.data(), PAGES.filter(bool))
def test_a_page_with_anything_odd_says_the_same_or_is_declined(data: st.DataObject, page: list[Log]) -> None:
    page = copy.deepcopy(page)
    for _ in range(data.draw(st.integers(1, 2))):
        log, value = data.draw(st.sampled_from(page)), data.draw(st.sampled_from(ODD))
        name = data.draw(st.sampled_from([*NAMES, "topics", "no", "order"]))
        if name == "topics":
            if isinstance(log["topics"], list):
                log["topics"] = odd_topics(log["topics"], data.draw(st.integers(0, 4)), value)
        elif name == "no":
            log.pop(data.draw(st.sampled_from(NAMES)), None)
        elif name == "order":
            page.reverse()
        else:
            log[name] = value
    if (declined := by_columns(SHAPES, page, ASKED)) is not None:
        assert by_both(page) == one_by_one(page), declined


@pytest.mark.parametrize(
    "changes",
    [
        {"removed": True},
        {"blockNumber": "0x9"},
        {"blockNumber": "0xe"},
        {"blockNumber": "0xd", "blockHash": "0x" + "07" * 32},
        {"blockHash": "0x07"},
        {"data": "0x"},
        {"data": "0x" + "00" * 31 + " 0"},
        {"data": "0x" + "00" * 30 + " 00 "},
        {"data": "ab0x" + "00" * 31},
        {"logIndex": "-0x1"},
        {"topics": []},
        {"topics": ["0x" + each.hex() for each in (STAKED.event.topic0, word(1), topic(WALLETS[1]), word(7))]},
        {"topics": ["0x" + STAKED.event.topic0.hex(), "0x" + "0g" * 32, "0x" + topic(WALLETS[1]).hex()]},
        {"topics": ["0x" + STAKED.event.topic0.hex(), "0x" + word(1).hex(), "0x" + "00" * 12 + "01" * 18 + " 01 "]},
        {"topics": ["0x" + STAKED.event.topic0.hex(), "0x" + word(1).hex(), "0x" + word(1 << 160).hex()]},
    ],
)
def test_what_is_otherwise_is_declined(changes: dict[str, Any]) -> None:
    odd = {**staked(WALLETS[1], 12), **changes}
    if "data" in changes:
        odd = {**transfer(WALLETS[1], WALLETS[2], 12), **changes}
    for page in ([odd], [odd, odd], [transfer(WALLETS[1], WALLETS[2], 12), odd], [transfer(WALLETS[1], WALLETS[2], 12), staked(WALLETS[1], 12), odd]):
        assert by_columns(SHAPES, page, ASKED) is None


def test_blocks_that_do_not_rise_are_declined() -> None:
    page = [transfer(WALLETS[1], WALLETS[2], block) for block in (10, 11, 10)]
    assert by_columns(SHAPES, page, ASKED) is None


def test_two_logs_whose_lengths_only_together_are_right_are_declined() -> None:
    long, short = transfer(WALLETS[1], WALLETS[2], 10), transfer(WALLETS[1], WALLETS[2], 10)
    long["data"], short["data"] = "0x" + "00" * 32 + "0x" + "00" * 32, ""
    assert by_columns(SHAPES, [long, short], ASKED) is None


@pytest.mark.parametrize(
    ("triggers", "left"),
    [
        ([PLAIN], 0),
        ([TRANSFER, PLAIN], 1),
        ([Trigger.parse(TOKEN, "Named(address indexed who, string name)", ["who"])], 0),
        ([TRANSFER, Trigger.parse(TOKEN, "Transfer(address indexed from, address indexed to, uint256 value)", ["to"])], 0),
    ],
)
def test_wallets_in_the_data_sizes_that_vary_and_twins_are_of_no_shape(triggers: list[Trigger], left: int) -> None:
    assert len(shapes_of(triggers)) == left
    page = [transfer(WALLETS[1], WALLETS[2], 10)]
    found = by_columns(shapes_of(triggers), page, ASKED)
    assert found is not None
    assert len(found.others) == 1 - left
