"""Multicall3's `aggregate3`, packed and unpacked by hand at fixed strides (an ABI library needs fifty times as long).

`aggregate3((address target, bool allowFailure, bytes callData)[]) returns ((bool success, bytes returnData)[])`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

from actors.errors import BadAnswer

SELECTOR = bytes.fromhex("82ad56cb")
WORD = 32
TRUE = (1).to_bytes(WORD, "big")
DATA_AT = (3 * WORD).to_bytes(WORD, "big")
ONE_WORD = b"".join(number.to_bytes(WORD, "big") for number in (1, 2 * WORD, WORD))  # a success that returned a word
STRIDE = 4 * WORD  # of such a result
ADDRESS, DIGITS = 20, 40
SIZES = 4  # of pages that are remembered
Call = tuple[bytes, bytes]


def word(value: int) -> bytes:
    """A 32-byte big-endian word."""
    return value.to_bytes(WORD, "big")


def encode_aggregate3(calls: Sequence[Call]) -> bytes:
    """Calldata for (target, data) pairs, failure allowed for each."""
    tuples = [_tuple(target, data) for target, data in calls]
    return b"".join([SELECTOR, word(WORD), word(len(calls)), _offsets(tuple(map(len, tuples))), *tuples])


def encode_page(first: Sequence[Call], each: Sequence[Call], addresses: str) -> str:
    """Calldata in hex digits: the `first` calls, then for each wallet those of `each`, whose data goes on with the wallet's address.

    `addresses` are hex digits that follow each other, and stay text: but for them, the calls of all wallets are the same.
    """
    begin = [_tuple(target, data) for target, data in first]
    calls = [_tuple(target, data + bytes(ADDRESS)) for target, data in each]
    count = len(addresses) // DIGITS
    offsets = _page_offsets(tuple(map(len, begin)), tuple(map(len, calls)), count)
    head = b"".join([SELECTOR, word(WORD), word(len(begin) + len(calls) * count), offsets, *begin])
    one = "".join([_without_address(call.hex(), len(data)) for call, (_, data) in zip(calls, each, strict=True)])
    wallets = [one.replace("@", addresses[at : at + DIGITS]) for at in range(0, len(addresses), DIGITS)]
    return "".join([head.hex(), *wallets])


def _without_address(call: str, size: int) -> str:
    at = 2 * (4 * WORD + size)
    return call[:at] + "@" + call[at + DIGITS :]


def _tuple(target: bytes, data: bytes) -> bytes:
    before, after = _around(target, len(data))
    return before + data + after


@lru_cache(64)
def _around(target: bytes, size: int) -> tuple[bytes, bytes]:
    """What stands before and after a call's data: the same for all wallets of a source."""
    if len(target) != ADDRESS:
        raise ValueError(f"a target of {len(target)} bytes")
    return b"".join([bytes(12), target, TRUE, DATA_AT, word(size)]), bytes(-size % WORD)


def _offsets(sizes: Sequence[int]) -> bytes:
    """Where tuples of these sizes begin, one behind the other, seen from the table of these offsets."""
    return b"".join(map(word, accumulate(sizes[:-1], initial=WORD * len(sizes)))) if sizes else b""


@lru_cache(SIZES)
def _page_offsets(first: tuple[int, ...], each: tuple[int, ...], count: int) -> bytes:
    return _offsets(first + each * count)


@lru_cache(SIZES)
def _all_words(count: int) -> bytes:
    """How an answer begins of which each result is a success of one word."""
    return word(WORD) + word(count) + _offsets((STRIDE,) * count)


def decode_aggregate3(data: bytes, count: int) -> list[bytes | None]:
    """Each sub-call's returned bytes, None where it failed. Raises BadAnswer on anything malformed.

    The results must lie one behind the other, so that they never hold more than the answer itself.
    """
    base = 2 * WORD
    if count and len(data) == base + (WORD + STRIDE) * count and data.startswith(_all_words(count)):
        # One format for all sizes: the library remembers each, and those of thousands of items are large.
        fronts, words = zip(*struct.iter_unpack("96s32s", memoryview(data)[base + WORD * count :]), strict=True)
        if fronts.count(ONE_WORD) == count:
            return list(words)
    if _number(data, 0) != WORD or _number(data, WORD) != count:
        raise BadAnswer(f"aggregate3 answered {len(data)} bytes that are not {count} results")
    results: list[bytes | None] = []
    end = base + WORD * count
    for head in range(base, end, WORD):
        at = base + int.from_bytes(data[head : head + WORD], "big")
        if at < end:
            raise BadAnswer("aggregate3's results overlap")
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
