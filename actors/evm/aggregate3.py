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
ONE_WORD = b"".join(number.to_bytes(WORD, "big") for number in (1, 2 * WORD, WORD))  # a success that returned a word
Call = tuple[bytes, bytes]


def word(value: int) -> bytes:
    """A 32-byte big-endian word."""
    return value.to_bytes(WORD, "big")


def encode_aggregate3(calls: Sequence[Call]) -> bytes:
    """Calldata for (target, data) pairs, failure allowed for each."""
    fronts: dict[tuple[bytes, int], tuple[bytes, bytes, int]] = {}
    offsets: list[int] = []
    tails: list[bytes] = []
    at = WORD * len(calls)
    for target, data in calls:
        key = target, len(data)
        front = fronts.get(key)
        if front is None:
            front = fronts[key] = _around(target, len(data))
        before, after, stride = front
        offsets.append(at)
        tails += before, data, after
        at += stride
    return b"".join([SELECTOR, word(WORD), word(len(calls)), *map(word, offsets), *tails])


def _around(target: bytes, size: int) -> tuple[bytes, bytes, int]:
    """What stands before and after a call's data, and how long it is in all: the same for every wallet of a source."""
    if len(target) != 20:
        raise ValueError(f"a target of {len(target)} bytes")
    before, after = b"".join([bytes(12), target, TRUE, DATA_AT, word(size)]), bytes(-size % WORD)
    return before, after, len(before) + size + len(after)


def decode_aggregate3(data: bytes, count: int) -> list[bytes | None]:
    """Each sub-call's returned bytes, None where it failed. Raises BadAnswer on anything malformed.

    The results must lie one behind the other, so that they never hold more than the answer itself.
    """
    if _number(data, 0) != WORD or _number(data, WORD) != count:
        raise BadAnswer(f"aggregate3 answered {len(data)} bytes that are not {count} results")
    base = 2 * WORD
    results: list[bytes | None] = []
    end = base + WORD * count
    for head in range(base, end, WORD):
        at = base + int.from_bytes(data[head : head + WORD], "big")
        if at < end:
            raise BadAnswer("aggregate3's results overlap")
        if data[at : at + 3 * WORD] == ONE_WORD and at + 4 * WORD <= len(data):
            results.append(data[at + 3 * WORD : at + 4 * WORD])
            end = at + 4 * WORD
        else:
            result, end = _result(data, at)
            results.append(result)
    return results


def _result(data: bytes, at: int) -> tuple[bytes | None, int]:
    """Any result, and where it ends."""
    success, offset = _number(data, at), _number(data, at + WORD)
    if success > 1:
        raise BadAnswer("aggregate3 answered a flag that is neither 0 nor 1")
    if offset < 2 * WORD:
        raise BadAnswer("aggregate3's results overlap")
    length = _number(data, at + offset)
    start = at + offset + WORD
    end = start + length + -length % WORD
    if end > len(data):
        raise BadAnswer("aggregate3's answer is cut short")
    return (data[start : start + length] if success else None), end


def _number(data: bytes, at: int) -> int:
    found = data[at : at + WORD]
    if len(found) != WORD:
        raise BadAnswer("aggregate3's answer is cut short")
    return int.from_bytes(found, "big")
