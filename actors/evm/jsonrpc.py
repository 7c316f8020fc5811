"""JSON-RPC 2.0 as bytes in and out. Whatever is no answer to the question is BadAnswer; an error is classified in `faults`.

A large call or answer is one long text of hex digits, which is carried over as it is: orjson looks at each of its characters, and takes
fresh memory of many times its size.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson

from actors.errors import BadAnswer, NodeError
from actors.evm.faults import classify

Call = tuple[str, Sequence[Any]]
BATCH_AT_ONCE = 100  # calls in one request
LONG = 2**15  # characters
ONE_TEXT = re.compile(rb'\{"jsonrpc":"2\.0","id":(0|[1-9][0-9]{0,14}),"result":"')


def request(number: int, method: str, params: Sequence[Any]) -> dict[str, Any]:
    """One request object. The data of an `eth_call` are hex digits."""
    if method == "eth_call" and params and len(data := params[0].get("data", "")) > LONG:
        params = [{**params[0], "data": orjson.Fragment(f'"{data}"')}, *params[1:]]
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def encode(obj: Any) -> bytes:
    """Compact JSON."""
    return orjson.dumps(obj)


def decode(body: bytes | str) -> Any:
    """Parse a body. Raises BadAnswer."""
    if isinstance(body, bytes) and len(body) > LONG and (found := _one_text(body)) is not None:
        return found
    try:
        return orjson.loads(body)
    except ValueError as error:
        start = body[:1] if isinstance(body, str) else body[:1].decode(errors="replace")
        what = "an HTML page" if start == "<" else "no JSON"
        raise BadAnswer(f"answered {what}") from error


def _one_text(body: bytes) -> dict[str, Any] | None:
    """An answer whose result is one text without escapes, and which is written as nearly all nodes write it; None: any other."""
    start, end = ONE_TEXT.match(body), body.rfind(b'"}')
    if start is None or body.find(b'"', start.end()) != end or b"\\" in body or body[end + 2 :].strip(b" \t\r\n") or not body.isascii():
        return None
    return {"jsonrpc": "2.0", "id": int(start[1]), "result": str(memoryview(body)[start.end() : end], "ascii")}


def result(answer: Any, number: int, method: str) -> Any:
    """The result inside one answer object. Raises BadAnswer, or the classified error."""
    if not isinstance(answer, dict):
        raise BadAnswer("the answer is not an object")
    error = answer.get("error")
    if error is not None and answer.get("id") in (number, None):
        raise error_of(error, method)
    if answer.get("id") != number:
        raise BadAnswer("the answer has another id")
    if "result" not in answer:
        raise BadAnswer("the answer has neither result nor error")
    return answer["result"]


def chain_id_of(answer: Any) -> int:
    """`eth_chainId`'s number. Raises BadAnswer."""
    try:
        found = int(answer, 16)
    except (TypeError, ValueError):
        raise BadAnswer("eth_chainId: no number") from None
    if not 0 <= found < 2**63:
        raise BadAnswer("eth_chainId: no chain has that number")
    return found


def error_of(error: Any, method: str) -> NodeError:
    """The classified error of an answer's `error`."""
    if not isinstance(error, dict):
        return BadAnswer("the answer's error is not an object")
    code = error.get("code")
    return classify(code if isinstance(code, int) else None, words_of(error), error.get("data"), None, None, method)


def words_of(error: dict[str, Any]) -> str:
    """What an error says. What is no text says nothing: lists that are deep enough cannot even be made one."""
    message = error.get("message")
    return message if isinstance(message, str) else ""


def results(answer: Any, numbers: Sequence[int], methods: Sequence[str]) -> list[Any]:
    """A batch's results in the order asked; an item's error stands in its slot. Raises BadAnswer, or the error of the whole."""
    if isinstance(answer, dict) and answer.get("error") is not None:
        raise error_of(answer["error"], methods[0])
    if not isinstance(answer, list):
        raise BadAnswer("the answer to a batch is not an array")
    by_id = {item["id"]: item for item in answer if isinstance(item, dict) and isinstance(item.get("id"), int)}
    found: list[Any] = []
    for number, method in zip(numbers, methods, strict=True):
        try:
            found.append(result(by_id.get(number), number, method))
        except NodeError as error:
            found.append(error)
    return found
