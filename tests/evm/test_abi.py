"""Signatures as people write them, and the selectors and topics that nodes know."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import SignatureError
from actors.evm.abi import Param, encode_call_address, parse_call, parse_event, static_words
from actors.evm.keccak import keccak

TRANSFER = "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"


def test_keccak_is_ethereums_and_not_sha3() -> None:
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@pytest.mark.parametrize(
    ("signature", "selector"),
    [
        ("balanceOf(address)", "70a08231"),
        (" balanceOf ( address owner ) ", "70a08231"),
        ("function balanceOf(address)", "70a08231"),
        ("getBlockNumber()", "42cbb15c"),
        ("getEthBalance(address)", "4d2301cc"),
        ("aggregate3((address,bool,bytes)[])", "82ad56cb"),
        ("aggregate3(tuple(address target, bool allowFailure, bytes callData)[] calls)", "82ad56cb"),
        ("transfer(address,uint)", "a9059cbb"),
    ],
)
def test_a_calls_selector(signature: str, selector: str) -> None:
    assert parse_call(signature).hex() == selector


@pytest.mark.parametrize(
    "signature",
    [
        "",
        "balanceOf",
        "balanceOf(",
        "balanceOf)",
        "balanceOf(address",
        "balanceOf(address))",
        "balanceOf((address)",
        "balanceOf(address,)",
        "balanceOf(,address)",
        "balanceOf(adress)",
        "balanceOf(Address)",
        "balanceOf(address indexed owner)",
        "balanceOf(address owner of)",
        "balanceOf(address) view returns (uint256)",
        "balance-of(address)",
        "1balanceOf(address)",
        "f(uint7)",
        "f(uint08)",
        "f(uint264)",
        "f(uint0)",
        "f(uint２５６)",
        "f(bytes33)",
        "f(bytes0)",
        "f(uint256[)",
        "f((uint256)[ x)",
        "f(uint256[0])",
        "f(uint256[-1])",
        "f((address)x)",
        "f(())",
        "f((address)(address))",
        "f(address a, uint256 a)",
        "f(" + "(" * 1000 + "address" + ")" * 1000 + ")",
    ],
)
def test_a_call_that_does_not_parse_is_refused_in_one_line(signature: str) -> None:
    with pytest.raises(SignatureError) as refusal:
        parse_call(signature)
    assert "\n" not in str(refusal.value)


def test_an_event_keeps_names_and_what_is_indexed() -> None:
    event = parse_event("Transfer(address indexed from, address indexed to, uint256 value)")
    assert event.name == "Transfer"
    assert event.params == (Param("from", "address", True), Param("to", "address", True), Param("value", "uint256", False))
    assert event.topic0.hex() == TRANSFER


@pytest.mark.parametrize(
    "signature",
    [
        "Transfer(address,address,uint256)",
        "event Transfer(address from, address to, uint value);",
        "\n  Transfer (\n  address   indexed from,\taddress indexed to,\n uint256 )  ",
        "Transfer(address indexed, address indexed, uint256)",
    ],
)
def test_the_topic_depends_on_the_types_alone(signature: str) -> None:
    assert parse_event(signature).topic0.hex() == TRANSFER


def test_tuples_and_arrays_are_canonical() -> None:
    event = parse_event("Moved(address indexed who, tuple(uint[2] parts, (bool ok, int)[] flags)[3] what, bytes32[] ids)")
    assert [param.type for param in event.params] == ["address", "(uint256[2],(bool,int256)[])[3]", "bytes32[]"]
    assert event.topic0 == keccak(b"Moved(address,(uint256[2],(bool,int256)[])[3],bytes32[])")


@pytest.mark.parametrize(
    "signature",
    [
        "Transfer",
        "Transfer(address indexed indexed from)",
        "Transfer(address from indexed)",
        "Transfer(address a, address a)",
        "Transfer((address indexed a) b)",
        "E(bool indexed a, bool indexed b, bool indexed c, bool indexed d)",
        "E(address indexed from) anonymous",
    ],
)
def test_an_event_that_does_not_parse_is_refused(signature: str) -> None:
    with pytest.raises(SignatureError):
        parse_event(signature)


@given(st.text(alphabet="balnceOf(address,indxut256)[] \n", max_size=60) | st.text(max_size=40))
def test_any_text_parses_or_is_a_signature_error(text: str) -> None:
    for parse in (parse_call, parse_event):
        try:
            parse(text)
        except SignatureError as refusal:
            assert "\n" not in str(refusal)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("address", 1),
        ("uint256[3]", 3),
        ("(address,uint256[2])[2]", 6),
        ("uint256[2][3]", 6),
        ("bytes", None),
        ("string", None),
        ("bytes32", 1),
        ("uint256[]", None),
        ("uint256[][3]", None),
        ("(address,bytes)", None),
    ],
)
def test_how_many_words_a_type_has_in_place(kind: str, words: int | None) -> None:
    assert static_words(kind) == words


def test_a_call_with_a_wallet_is_36_bytes() -> None:
    data = encode_call_address(parse_call("balanceOf(address)"), b"\xab" * 20)
    assert data.hex() == "70a08231" + "00" * 12 + "ab" * 20


@pytest.mark.parametrize(
    "inside", ["uint256" + "[1]" * 1000, "(" * 2000, "address" + " " * 100_000, ",".join(["address"] * 10_000)], ids=["arrays", "tuples", "blanks", "many"]
)
def test_a_signature_that_would_take_long_or_the_stack_is_refused(inside: str) -> None:
    for text in (f"f({inside})", f"f({inside})" + " " * 100_000 + "x"):
        for parse in (parse_call, parse_event):
            with pytest.raises(SignatureError, match="expected at most 2000 characters"):
                parse(text)
