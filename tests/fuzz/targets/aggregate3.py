"""What `aggregate3` answers: by columns, result by result, and by an ABI library, all the same; and what is cut short is refused."""

from __future__ import annotations

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, NonEmptyPaddingBytes

from actors.errors import BadAnswer
from actors.evm import aggregate3
from actors.evm.aggregate3 import decode_aggregate3, decode_page
from actors.evm.rung import NARROW
from tests.fuzz.draw import Draw
from tests.fuzz.promise import is_plain, keep

FIRST = 2


def target(data: bytes) -> None:
    draw = Draw(data)
    each, wallets = 1 + draw.number(2), draw.number(4)
    count = FIRST + each * wallets
    answer = draw.rest() if draw.number(7) == 1 else changed(draw, honest(draw, count))
    results = one_by_one(answer, count)
    agrees(answer, results, count)
    page = decode_page(answer, FIRST, each)
    if page is None or len(page[1]) != NARROW * wallets:
        return
    keep(results is not None and all(result is not None and len(result) == 32 for result in results), "columns found what is not there")
    words = [int.from_bytes(result or b"", "big") for result in results or ()]
    keep(page[0] == (results or [])[:FIRST], "the first results")
    sums = [sum(words[at : at + each]) for at in range(FIRST, count, each)]
    keep(page[1] == b"".join(one.to_bytes(NARROW, "big") for one in sums), "the sums")


def honest(draw: Draw, count: int) -> bytes:
    """An answer as a node gives it, of mostly full words, whose high bytes are mostly zero."""
    full, high = draw.number(3) > 0, draw.pick((b"\0", b"\xff"))
    results = [(full or draw.flag(), draw.blob(32).rjust(32, high) if full else draw.blob(70)) for _ in range(count)]
    return encode(["(bool,bytes)[]"], [results])


def changed(draw: Draw, answer: bytes) -> bytes:
    """Some words of it replaced, or the end of it missing."""
    for _ in range(draw.number(3)):
        at = 32 * draw.number(max(0, len(answer) // 32 - 1)) + (31 if draw.flag() else 0)
        put = draw.pick((b"\x00", b"\x01", b"\x20", b"\x40", b"\x60", b"\x80", b"\xff", b"\xff" * 32, bytes(32)))
        answer = answer[:at] + put + answer[at + len(put) :]
    return answer[: draw.number(len(answer))] if draw.number(7) == 7 else answer


def one_by_one(answer: bytes, count: int) -> list[bytes | None] | None:
    """Without columns; with them it is the same."""
    try:
        results = decode_aggregate3(answer, count)
    except BadAnswer as error:
        is_plain(str(error))
        results = None
    try:
        keep(_without_columns(answer, count) == results, "by columns it is another answer")
    except BadAnswer:
        keep(results is None, "columns found what is not there")
    return results


def _without_columns(answer: bytes, count: int) -> list[bytes | None]:
    columns = aggregate3._all_are_words
    try:
        aggregate3._all_are_words = lambda data, count: False
        return decode_aggregate3(answer, count)
    finally:
        aggregate3._all_are_words = columns


def agrees(answer: bytes, results: list[bytes | None] | None, count: int) -> None:
    """Where we find results, the library finds the same."""
    if results is None:
        return
    keep(len(results) == count, "as many results as were asked for")
    try:
        (found,) = decode(["(bool,bytes)[]"], answer, strict=False)
    except NonEmptyPaddingBytes:  # what is behind a result that is no word is nobody's
        return
    except DecodingError as error:
        raise AssertionError(f"the library refuses it: {error}") from error
    keep([data if success else None for success, data in found] == results, "the library finds others")


SEEDS = (b"\x00\x02\x00\x01", b"\x01\x02\x00\x01\x00\x09123456789\x20abcdefghijklmnopqrstuvwxyzabcdef\x01a\x01b", b"\x01\x03\x00\x00\x00\x01\x20", b"\x00\x01\x00\x01\x00\x00\x00\x00\x02\x05\x01\x06")
