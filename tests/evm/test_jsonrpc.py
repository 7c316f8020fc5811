"""Answers that are none: each is refused as what it is, and none ends who asked."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import BadAnswer, NodeError, Transient
from actors.evm import jsonrpc

DEEP = b"[" * 1000 + b"]" * 1000


@pytest.mark.parametrize("number", [[], {}, [7], None, "7"])
def test_an_item_of_a_batch_whose_id_is_no_number_is_nobodys(number: Any) -> None:
    answer = [{"id": number, "result": "0x1"}, {"id": 8, "result": "0x2"}]
    first, second = jsonrpc.results(answer, (7, 8), ("a", "b"))
    assert isinstance(first, BadAnswer)
    assert second == "0x2"


@pytest.mark.parametrize("message", [b"null", b"7", b"{}", DEEP], ids=["null", "a number", "an object", "deep"])
def test_an_error_whose_message_is_no_text_is_an_error_without_words(message: bytes) -> None:
    answer = jsonrpc.decode(b'{"id": 7, "error": {"code": -32000, "message": ' + message + b"}}")
    with pytest.raises(NodeError) as caught:
        jsonrpc.result(answer, 7, "eth_call")
    assert type(caught.value) is Transient
    assert str(caught.value) == "eth_call:  (-32000)"


DIGITS = "0x" + "0123456789abcdef" * (jsonrpc.LONG // 8)


@pytest.mark.parametrize("data", ["0x", "0xff", DIGITS])
def test_a_call_is_the_same_request_however_long_its_data_are(data: str) -> None:
    params = [{"to": "0x01", "data": data}, {"blockHash": "0x02"}, {"0x03": {"code": "0x04"}}]
    expected = {"jsonrpc": "2.0", "id": 7, "method": "eth_call", "params": params}
    assert json.loads(jsonrpc.encode(jsonrpc.request(7, "eth_call", params))) == expected
    assert params[0] == {"to": "0x01", "data": data}


PLAIN = f'{{"jsonrpc":"2.0","id":7,"result":"{DIGITS}"}}'


@pytest.mark.parametrize("body", [PLAIN, PLAIN + "\n", PLAIN.replace(":", ": "), PLAIN.replace('"id":7,', ""), PLAIN[:-1] + ',"more":{}}'])
def test_a_long_answer_reads_as_it_is_written(body: str) -> None:
    assert jsonrpc.decode(body.encode()) == json.loads(body)


@given(st.integers(0, len(PLAIN) - 1), st.sampled_from(["", '"', "\\", "\\n", "\\u0041", "}", '"}', "\xe9", ',"result":"0x"', "x"]))
def test_a_long_answer_that_was_changed_is_what_the_library_reads_or_refused(at: int, put: str) -> None:
    """The answer's ends are where it matters most: each of them is drawn as often as all between."""
    at = at if at % 3 else at // 3 % 40 if at % 2 else len(PLAIN) - 1 - at // 3 % 40
    body = (PLAIN[:at] + put + PLAIN[at + 1 :]).encode()
    try:
        expected = orjson.loads(body)
    except ValueError:
        with pytest.raises(BadAnswer):
            jsonrpc.decode(body)
    else:
        assert jsonrpc.decode(body) == expected


def test_bytes_that_are_no_text_are_refused_in_a_long_answer_too() -> None:
    with pytest.raises(BadAnswer):
        jsonrpc.decode(PLAIN.encode().replace(b"0123", b"\xff\xfe12", 1))
