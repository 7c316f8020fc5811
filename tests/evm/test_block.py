"""Headers as nodes send them."""

from __future__ import annotations

from typing import Any

import pytest

from actors.errors import BadAnswer
from actors.evm.aggregate3 import word
from actors.evm.block import Header

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
