"""Multicall3's `aggregate3`, packed and unpacked by hand at fixed strides (an ABI library needs fifty times as long).

`aggregate3((address target, bool allowFailure, bytes callData)[]) returns ((bool success, bytes returnData)[])`.
"""

from __future__ import annotations

from collections.abc import Sequence

from actors.errors import BadAnswer

SELECTOR = bytes.fromhex("82ad56cb")
WORD = 32
TRUE = (1).to_bytes(WORD, "big")
DATA_AT = (3 * WORD).to_bytes(WORD, "big")
Call = tuple[bytes, bytes]


def word(value: int) -> bytes:
    """A 32-byte big-endian word."""
    return value.to_bytes(WORD, "big")


def encode_aggregate3(calls: Sequence[Call]) -> bytes:
    """Calldata for (target, data) pairs, failure allowed for each."""
    tails = [_call(target, data) for target, data in calls]
    heads, at = [], WORD * len(calls)
    for tail in tails:
        heads.append(word(at))
        at += len(tail)
    return b"".join([SELECTOR, word(WORD), word(len(calls)), *heads, *tails])


def _call(target: bytes, data: bytes) -> bytes:
    padding = bytes(-len(data) % WORD)
    return b"".join([bytes(12), target, TRUE, DATA_AT, word(len(data)), data, padding])


def decode_aggregate3(data: bytes, count: int) -> list[bytes | None]:
    """Each sub-call's returned bytes, None where it failed. Raises BadAnswer on anything malformed."""
    if _number(data, 0) != WORD or _number(data, WORD) != count:
        raise BadAnswer(f"aggregate3 answered {len(data)} bytes that are not {count} results")
    base = 2 * WORD
    return [_result(data, base + _number(data, base + WORD * i)) for i in range(count)]


def _result(data: bytes, at: int) -> bytes | None:
    success, offset = _number(data, at), _number(data, at + WORD)
    if success > 1:
        raise BadAnswer("aggregate3 answered a flag that is neither 0 nor 1")
    start = at + offset + WORD
    length = _number(data, at + offset)
    if start + length > len(data):
        raise BadAnswer("aggregate3's answer is cut short")
    return data[start : start + length] if success else None


def _number(data: bytes, at: int) -> int:
    found = data[at : at + WORD]
    if len(found) != WORD:
        raise BadAnswer("aggregate3's answer is cut short")
    return int.from_bytes(found, "big")


def decode_word(data: bytes | None) -> int | None:
    """A sub-call's value: exactly one word is a value (zero too); a failure, nothing, or another length is none."""
    return int.from_bytes(data, "big") if data is not None and len(data) == WORD else None
