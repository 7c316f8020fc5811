"""Answers of JSON-RPC: only the answer to the very question counts, and whatever is none is an error of the declared kinds."""

from __future__ import annotations

from typing import Any

from actors.errors import NodeError
from actors.evm import jsonrpc
from tests.fuzz.draw import Draw, encoded
from tests.fuzz.promise import keep

NUMBERS, METHODS = (7, 8, 9), ("eth_chainId", "eth_call", "eth_getLogs")
ERROR = {"code": -32000, "message": "header not found", "data": "0x"}
ANSWERS: list[dict[str, Any]] = [
    {"jsonrpc": "2.0", "id": 7, "result": "0x1"},
    {"jsonrpc": "2.0", "id": 9, "result": []},
    {"jsonrpc": "2.0", "id": 8, "error": ERROR},
]
EXTRAS = (b"", b'{"id":7,"id":8,"result":1}', b'{"id":7,"result":NaN}', b"<html>", b"\xef\xbb\xbf{}", b'"\\ud800"', b'{"id":7,"result":"\\ud800"}')


def body(draw: Draw, honest: Any) -> bytes:
    """An answer, changed; or anything."""
    how = draw.number(3)
    return draw.rest() if how == 1 else draw.pick(EXTRAS) if how == 2 else encoded(draw.changed(honest))


def target(data: bytes) -> None:
    draw = Draw(data)
    try:
        answer = jsonrpc.decode(body(draw, ANSWERS))
    except NodeError:
        return
    try:
        found = jsonrpc.results(answer, NUMBERS, METHODS)
    except NodeError:
        pass
    else:
        keep(len(found) == len(NUMBERS), "a slot for each")
        for number, each in zip(NUMBERS, found, strict=True):
            keep(isinstance(each, NodeError) or any(_is(one, number, each) for one in answer), "a result that nobody gave")
    for one in (answer, *(answer if isinstance(answer, list) else ())):
        alone(one)


def alone(answer: Any) -> None:
    """As the answer to a question that stood alone."""
    try:
        found = jsonrpc.result(answer, 7, "eth_chainId")
        keep(_is(answer, 7, found), "another question's answer")
        keep(0 <= jsonrpc.chain_id_of(found) < 2**63, "a chain id")
    except NodeError as error:
        keep(str(error).isprintable() and len(str(error)) < 1000, f"not one short line: {str(error)[:200]!r}")


def _is(answer: Any, number: int, result: Any) -> bool:
    return isinstance(answer, dict) and answer.get("id") == number and answer.get("error") is None and answer.get("result") is result


SEEDS = (b"\x00", b"\x00\x01\x01\x00\x01\x02\x00\x01\x07", b"\x01[]", b"\x02\x02")
