"""Headers as nodes send them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.errors import BadAnswer
from actors.evm.aggregate3 import word
from actors.evm.block import Header
from actors.histogram import Histogram
from actors.latency import BlockTimes, EventToRow

RAW: dict[str, Any] = {
    "number": "0x10",
    "hash": "0x" + "11" * 32,
    "parentHash": "0x" + "22" * 32,
    "timestamp": "0x65",
    "mixHash": "0x" + "33" * 32,
    "difficulty": "0x0",
}


def test_a_header() -> None:
    assert Header.from_json(RAW) == Header(16, b"\x11" * 32, b"\x22" * 32, 101, b"\x33" * 32)


def test_without_a_merge_the_opcode_answers_the_difficulty() -> None:
    assert Header.from_json({**RAW, "difficulty": "0x2"}).prevrandao == word(2)


@pytest.mark.parametrize("missing", ["mixHash", "difficulty"])
def test_what_only_some_chains_send_may_be_missing(missing: str) -> None:
    raw = {key: value for key, value in RAW.items() if key != missing}
    assert Header.from_json(raw).prevrandao == (bytes(32) if missing == "mixHash" else b"\x33" * 32)


@pytest.mark.parametrize(
    "changes",
    [
        {"number": None},
        {"number": "later"},
        {"number": "-0x1"},
        {"hash": None},
        {"hash": "0x11"},
        {"parentHash": "0x22"},
        {"timestamp": 5},
        {"timestamp": "-0x1"},
        {"timestamp": hex(2**63)},
        {"number": hex(2**63)},
        {"mixHash": "0x33"},
        {"difficulty": "0x1" + "0" * 64},
        {"difficulty": "hard"},
    ],
)
def test_what_is_no_header_is_a_bad_answer(changes: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        Header.from_json({**RAW, **changes})


@pytest.mark.parametrize("raw", [{}, [], "0x10", None])
def test_what_is_no_object_is_a_bad_answer(raw: Any) -> None:
    with pytest.raises(BadAnswer):
        Header.from_json(raw)


quantities = st.integers().map(hex) | st.integers(0, 2**70).map(hex) | st.text("0123456789abcdefABCDEFx-_ ", max_size=400)


@given(quantities, quantities)
@example("0x10", "0x" + 300 * "f")
@example("0x10", "-0x" + 300 * "f")
@example("0x" + 300 * "f", "0x65")
def test_any_number_and_time_make_a_header_that_can_be_reckoned_with_or_a_bad_answer(number: str, timestamp: str) -> None:
    try:
        header = Header.from_json({**RAW, "number": number, "timestamp": timestamp})
    except BadAnswer:
        return
    assert 0 <= header.number < 2**63
    assert 0 <= header.timestamp < 2**63
    times, latency = BlockTimes(), EventToRow("AUDIO", Histogram("x_seconds", "x", (1, 10)))
    times.saw(header)
    times.saw(Header.from_json(RAW))
    latency.committed({header.number: 1, max(0, header.number - 1): 1, 16: 1}, times, 102.0)
    assert latency.shown() is not None
