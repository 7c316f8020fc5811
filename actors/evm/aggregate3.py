"""Multicall3's `aggregate3`, packed and unpacked by hand at fixed strides (an ABI library needs fifty times as long).

`aggregate3((address target, bool allowFailure, bytes callData)[]) returns ((bool success, bytes returnData)[])`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

from actors.errors import BadAnswer
from actors.evm.rung import NARROW

SELECTOR = bytes.fromhex("82ad56cb")
WORD = 32
TRUE = (1).to_bytes(WORD, "big")
DATA_AT = (3 * WORD).to_bytes(WORD, "big")
ONE_WORD = b"".join(number.to_bytes(WORD, "big") for number in (1, 2 * WORD, WORD))  # a success that returned a word
STRIDE = 4 * WORD  # of such a result
MOST_SUMMED = 256  # words below 2**120 whose sum fits
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
    """Calldata as `0x…`: the `first` calls, then for each wallet those of `each`, whose data goes on with the wallet's address.

    `addresses` are hex digits that follow each other, and stay text: but for them, the calls of all wallets are the same.
    """
    begin = [_tuple(target, data) for target, data in first]
    calls = [_tuple(target, data + bytes(ADDRESS)) for target, data in each]
    count = len(addresses) // DIGITS
    offsets = _page_offsets(tuple(map(len, begin)), tuple(map(len, calls)), count)
    head = b"".join([SELECTOR, word(WORD), word(len(begin) + len(calls) * count), offsets, *begin])
    one = "".join([_without_address(call.hex(), len(data)) for call, (_, data) in zip(calls, each, strict=True)])
    between = one.split("@")
    return "".join(["0x", head.hex(), *[addresses[at : at + DIGITS].join(between) for at in range(0, len(addresses), DIGITS)]])


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


def _all_words(count: int) -> bytes:
    """An answer of which each result is a success of one word, all of them 0."""
    return b"".join([word(WORD), word(count), _page_offsets((), (STRIDE,), count), (ONE_WORD + bytes(WORD)) * count])


def decode_aggregate3(data: bytes, count: int) -> list[bytes | None]:
    """Each sub-call's returned bytes, None where it failed. Raises BadAnswer on anything malformed.

    The results must lie one behind the other, so that they never hold more than the answer itself.
    """
    base = 2 * WORD
    if _all_are_words(data, count):
        return [data[at : at + WORD] for at in range(len(data) - STRIDE * count + STRIDE - WORD, len(data), STRIDE)]
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


def decode_page(data: bytes, first: int, each: int) -> tuple[list[bytes], bytes] | None:
    """The `first` results, and the sums of the others' words, `each` of them a wallet's, as `NARROW` bytes one behind the other. None where
    any result is no success of one word, or a word so large that a sum might not fit.

    The words at one place of all wallets are one number of many digits, and so are their sums: an object for each wallet takes ten times as
    long.
    """
    count = (len(data) - 2 * WORD) // (WORD + STRIDE)
    if not 0 < each <= MOST_SUMMED or count <= first or (count - first) % each or not _all_are_words(data, count):
        return None
    at = len(data) - STRIDE * count + STRIDE - WORD
    attested = [data[place : place + WORD] for place in range(at, at + STRIDE * first, STRIDE)]
    eights = memoryview(data)[at + STRIDE * first - 3 * WORD :].cast("Q")
    *high, upper, lower = (eights[place :: STRIDE // 8] for place in range(STRIDE // 8 - WORD // 8, STRIDE // 8))
    if any(part.tobytes().strip(b"\0") for part in high) or upper.tobytes()[::8].strip(b"\0"):
        return None
    total = sum(_as_number(upper[at::each], lower[at::each]) for at in range(each))
    return attested, total.to_bytes(NARROW * ((count - first) // each), "big")


def _as_number(upper: memoryview, lower: memoryview) -> int:
    """Numbers of two halves, as the digits of one."""
    digits = bytearray(NARROW * len(upper))
    halves = memoryview(digits).cast("Q")
    halves[::2], halves[1::2] = upper, lower
    return int.from_bytes(digits, "big")


def _all_are_words(data: bytes, count: int) -> bool:
    """Whether all results are a success of one word: but for the words, such answers are the same.

    So the words are put into an answer of zeros, which is compared as a whole.
    """
    if not count or len(data) != 2 * WORD + (WORD + STRIDE) * count:
        return False
    same = bytearray(_all_words(count))
    there, mine = memoryview(data).cast("Q"), memoryview(same).cast("Q")
    end = 2 * WORD + (WORD + STRIDE) * count
    for eight in range(WORD // 8, 0, -1):
        place = (end - STRIDE * (count - 1)) // 8 - eight
        mine[place :: STRIDE // 8] = there[place :: STRIDE // 8]
    return same == data


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
