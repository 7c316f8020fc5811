"""Whose fault a node's error is, in the words of real clients and providers."""

from __future__ import annotations

import time

import pytest

from actors.errors import BadAnswer, NodeBehind, NodeError, Permanent, Throttled, TooLarge, Transient
from actors.evm.faults import classify, range_hint

LOGS, CALL = "eth_getLogs", "eth_call"
WORDINGS: list[tuple[int | None, str, str, type[NodeError]]] = [
    (-32000, "header not found", CALL, NodeBehind),
    (-32000, "missing trie node 7a3f (path ) state 0x1 is not available", CALL, NodeBehind),
    (-32000, "unknown block", LOGS, NodeBehind),
    (-32001, "Resource not found", CALL, NodeBehind),
    (-32602, "BlockOutOfRangeError: block height is 6 but requested was 65535", CALL, NodeBehind),
    (-32602, "block range extends beyond current head block", LOGS, NodeBehind),
    (-32000, "hash 0x12 is not currently canonical", CALL, NodeBehind),
    (-32000, "required historical state unavailable (reexec=128)", CALL, NodeBehind),
    (-32000, "state 0x12 is not available, not found", CALL, NodeBehind),
    (-32602, "project ID does not have access to archive state", CALL, NodeBehind),
    (-32603, "World state unavailable", CALL, NodeBehind),
    (-32002, "No state available for block 0x12", CALL, NodeBehind),
    (-32000, "state at block #12 is pruned", CALL, NodeBehind),
    (-32000, "state histories haven't been fully indexed yet", CALL, NodeBehind),
    (-32000, "Archive requests require a paid plan", CALL, NodeBehind),
    (-32603, "EVM error OutOfGas", CALL, TooLarge),
    (-32000, "out of gas", CALL, TooLarge),
    (-32000, "gas required exceeds allowance (50000000)", CALL, TooLarge),
    (-32000, "execution aborted (timeout = 5s)", CALL, TooLarge),
    (-32005, "query returned more than 10000 results", LOGS, TooLarge),
    (-32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range", LOGS, TooLarge),
    (-32614, "eth_getLogs is limited to a 10,000 range", LOGS, TooLarge),
    (-32701, "exceed maximum block range: 50000", LOGS, TooLarge),
    (3, "execution reverted: nope", CALL, Permanent),
    (-32601, "the method eth_foo does not exist/is not available", "eth_foo", Permanent),
    (-32602, "invalid argument 0: hex string has length 3", CALL, Permanent),
    (-32005, "rate limit exceeded", CALL, Throttled),
    (429, "Your app has exceeded its compute units per second capacity", CALL, Throttled),
    (-32005, "daily request count exceeded, request rate limited", CALL, Throttled),
    (-32600, "Invalid request", CALL, BadAnswer),
    (-32000, "something nobody has seen yet", CALL, Transient),
]


@pytest.mark.parametrize(("code", "message", "method", "kind"), WORDINGS)
def test_a_wording_has_its_kind(code: int | None, message: str, method: str, kind: type[NodeError]) -> None:
    assert type(classify(code, message, None, None, None, method)) is kind


@pytest.mark.parametrize(
    ("status", "kind"), [(429, Throttled), (413, TooLarge), (503, Transient), (401, Transient), (403, Transient)]
)
def test_a_status_has_its_kind(status: int, kind: type[NodeError]) -> None:
    assert type(classify(None, "", None, status, None, CALL)) is kind


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_old_state_that_is_not_there_is_told_from_a_key_that_is_refused_and_a_node_that_is_down(status: int) -> None:
    assert type(classify(-32000, "missing trie node 7a3f", None, status, None, CALL)) is NodeBehind
    assert type(classify(None, "Archive requests require a paid plan", None, status, None, CALL)) is NodeBehind
    assert type(classify(None, "Service not available", None, status, None, CALL)) is Transient


def test_a_throttled_answer_says_for_how_long() -> None:
    error = classify(None, "", None, 429, 7.0, CALL)
    assert isinstance(error, Throttled)
    assert error.retry_after_secs == 7.0


@pytest.mark.parametrize(
    ("message", "blocks"),
    [
        ("query returned more than 10000 results. Try with this block range [0x10, 0x1f].", 16),
        ("Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range", 2000),
        ("eth_getLogs is limited to a 10,000 range", 10_000),
        ("exceed maximum block range: 50000", 50_000),
        ("query returned more than 10000 results", None),
    ],
)
def test_a_refused_range_is_narrowed_by_the_refusals_own_hint(message: str, blocks: int | None) -> None:
    assert range_hint(message, LOGS) == blocks


@pytest.mark.parametrize("digits", ["9" * 5000, "0x" + "f" * 5000 + ", 0x" + "f" * 5001])
def test_a_limit_of_thousands_of_digits_is_no_limit_that_ends_who_reads_it(digits: str) -> None:
    error = classify(-32602, f"block range: limited to {digits} blocks", None, None, None, LOGS)
    assert isinstance(error, TooLarge)


def test_what_a_node_says_is_one_line_of_bounded_length() -> None:
    said = str(classify(-32000, "nobody\nknows\x1b[2J \u202e " + "this " * 1000, None, None, None, CALL))
    assert said.startswith("eth_call: nobody knows\\x1b[2J \\u202e this this")
    assert len(said) < 400


def test_a_message_of_megabytes_is_looked_at_in_no_time() -> None:
    began = time.monotonic()
    classify(-32000, "block limited to 0x" * 1_000_000, None, None, None, LOGS)
    assert time.monotonic() - began < 1
