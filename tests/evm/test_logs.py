"""Which wallets a log names."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import BadAnswer, DecodeError, SignatureError
from actors.evm.aggregate3 import word
from actors.evm.logs import LogEvent, Trigger, decode_log, filter_for, wallets_of

TOKEN = "0x18aAA7115705e8be94bfFEBDE57Af9BFc265B998"
OTHER = "0x" + "77" * 20
ANN, BOB = b"\xa1" * 20, b"\xb2" * 20
ZERO = bytes(20)
BLOCK_HASH = b"\x99" * 32
ERC20 = "Transfer(address indexed from, address indexed to, uint256 value)"
PLAIN = "Delegated(address delegator, string note, uint256[2] pair, address indexed spender, (uint256,bytes) rest, address to)"
TRANSFER = Trigger.parse(TOKEN, ERC20, ["from", "to"])
DELEGATED = Trigger.parse(TOKEN, PLAIN, ["delegator", "spender", "to"])


def topic(wallet: bytes) -> bytes:
    return bytes(12) + wallet


def log(trigger: Trigger, topics: list[bytes], data: bytes) -> dict[str, Any]:
    return {
        "address": TOKEN,
        "topics": ["0x" + each.hex() for each in (trigger.event.topic0, *topics)],
        "data": "0x" + data.hex(),
        "blockNumber": "0x10",
        "blockHash": "0x" + BLOCK_HASH.hex(),
        "logIndex": "0x3",
        "removed": False,
    }


def transfer(sender: bytes, receiver: bytes, **changes: Any) -> dict[str, Any]:
    return {**log(TRANSFER, [topic(sender), topic(receiver)], word(5)), **changes}


def delegated(note: bytes = b"hello") -> bytes:
    kinds = ["address", "bytes", "uint256[2]", "(uint256,bytes)", "address"]
    return encode(kinds, [ANN, note, [1, 2], (3, b"x"), BOB])


def test_a_transfer_names_both_wallets() -> None:
    assert decode_log([TRANSFER], transfer(ANN, BOB)) == LogEvent(16, BLOCK_HASH, 3, (ANN, BOB), False)


def test_mints_and_burns_leave_out_the_zero_address() -> None:
    assert wallets_of(TRANSFER, transfer(ZERO, BOB)) == (BOB,)
    assert wallets_of(TRANSFER, transfer(ANN, ZERO)) == (ANN,)


def test_a_transfer_to_oneself_names_one_wallet_once() -> None:
    assert wallets_of(TRANSFER, transfer(ANN, ANN)) == (ANN,)


def test_only_the_named_parameters_count() -> None:
    assert wallets_of(Trigger.parse(TOKEN, ERC20, ["to"]), transfer(ANN, BOB)) == (BOB,)


def test_a_removed_log_says_so() -> None:
    event = decode_log([TRANSFER], transfer(ANN, BOB, removed=True))
    assert event is not None
    assert event.removed


def test_another_contract_or_event_is_no_triggers() -> None:
    assert decode_log([TRANSFER], transfer(ANN, BOB, address=OTHER)) is None
    assert decode_log([TRANSFER], transfer(ANN, BOB, topics=[])) is None
    assert decode_log([DELEGATED], transfer(ANN, BOB)) is None


def test_erc721s_transfer_is_a_decode_error() -> None:
    nft = log(TRANSFER, [topic(ANN), topic(BOB), word(7)], b"")
    with pytest.raises(DecodeError, match="4 topics, expected 3"):
        decode_log([TRANSFER], nft)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_another_length_of_data_is_a_decode_error(size: int) -> None:
    with pytest.raises(DecodeError, match=f"{size} bytes of data, expected 32"):
        wallets_of(TRANSFER, log(TRANSFER, [topic(ANN), topic(BOB)], bytes(size)))


@pytest.mark.parametrize("dirty", [b"\x01" + bytes(11) + ANN, bytes(11) + b"\x01" + ANN, topic(ANN)[1:], b"\0" + topic(ANN)])
def test_an_indexed_wallet_must_be_a_clean_address(dirty: bytes) -> None:
    with pytest.raises(DecodeError):
        wallets_of(TRANSFER, log(TRANSFER, [dirty, topic(BOB)], word(5)))


def test_wallets_that_are_not_indexed_come_from_the_data() -> None:
    assert wallets_of(DELEGATED, log(DELEGATED, [topic(b"\xc3" * 20)], delegated())) == (ANN, b"\xc3" * 20, BOB)


def test_a_note_that_is_no_text_hides_no_wallet() -> None:
    assert wallets_of(DELEGATED, log(DELEGATED, [topic(ZERO)], delegated(b"\xff\xfe"))) == (ANN, BOB)


def test_a_wallet_in_the_data_must_be_a_clean_address() -> None:
    trigger = Trigger.parse(TOKEN, "Paid(address to)", ["to"])
    assert wallets_of(trigger, log(trigger, [], topic(ANN))) == (ANN,)
    for data in (b"\x01" + topic(ANN)[1:], topic(ANN) + bytes(32), topic(ANN)[:-1]):
        with pytest.raises(DecodeError):
            wallets_of(trigger, log(trigger, [], data))


@given(st.binary(max_size=400))
def test_any_data_has_wallets_or_is_a_decode_error(data: bytes) -> None:
    try:
        assert all(len(wallet) == 20 for wallet in wallets_of(DELEGATED, log(DELEGATED, [topic(ANN)], data)))
    except DecodeError:
        pass


def test_an_indexed_parameter_that_is_no_wallet_may_be_anything() -> None:
    trigger = Trigger.parse(TOKEN, "Named(string indexed name, address indexed who)", ["who"])
    assert wallets_of(trigger, log(trigger, [b"\xee" * 32, topic(ANN)], b"")) == (ANN,)


def test_two_triggers_of_one_event_find_what_either_finds() -> None:
    halves = [Trigger.parse(TOKEN, ERC20, ["to"]), Trigger.parse(TOKEN, ERC20, ["from"])]
    event = decode_log(halves, transfer(ANN, BOB))
    assert event is not None
    assert event.wallets == (BOB, ANN)


def test_a_trigger_of_another_layout_does_not_hide_the_one_that_fits() -> None:
    old = Trigger.parse(TOKEN, "Transfer(address from, address to, uint256 value)", ["from", "to"])
    event = decode_log([old, TRANSFER], transfer(ANN, BOB))
    assert event is not None
    assert event.wallets == (ANN, BOB)


@pytest.mark.parametrize(
    "changes",
    [
        {"blockNumber": None},
        {"blockNumber": "later"},
        {"blockHash": "0x12"},
        {"logIndex": 3},
        {"topics": None},
        {"topics": [1]},
        {"data": "0x1"},
        {"address": None},
    ],
)
def test_what_is_no_log_is_a_bad_answer(changes: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer):
        decode_log([TRANSFER], transfer(ANN, BOB, **changes))


def test_a_log_without_a_key_is_a_bad_answer() -> None:
    for key in ("address", "topics", "data", "blockNumber", "blockHash", "logIndex"):
        cut = transfer(ANN, BOB)
        del cut[key]
        with pytest.raises(BadAnswer):
            decode_log([TRANSFER], cut)


def test_the_filter_names_each_contract_and_topic_once() -> None:
    third = Trigger.parse(OTHER, ERC20, ["to"])
    assert filter_for([TRANSFER, DELEGATED, third]) == {
        "address": [TOKEN.lower(), OTHER],
        "topics": [["0x" + TRANSFER.event.topic0.hex(), "0x" + DELEGATED.event.topic0.hex()]],
    }


@pytest.mark.parametrize(
    ("contract", "event", "wallets", "says"),
    [
        (TOKEN, ERC20, ["value"], "'value' of Transfer is of type uint256, expected address"),
        (TOKEN, ERC20, ["owner"], "'owner' is no parameter of Transfer"),
        (TOKEN, ERC20, [], "no wallets"),
        (TOKEN, "Paid(address)", [""], "'' is no parameter"),
        (TOKEN, "Paid(address[] to)", ["to"], r"'to' of Paid is of type address\[\], expected address"),
        (TOKEN, "Paid((address) to)", ["to"], "expected address"),
        (TOKEN, "Paid", ["to"], "expected an event"),
        ("0x12", ERC20, ["to"], "'0x12' is no address"),
        ("token", ERC20, ["to"], "'token' is no address"),
    ],
)
def test_a_trigger_that_cannot_be_says_what_is_wrong(contract: str, event: str, wallets: list[str], says: str) -> None:
    with pytest.raises(SignatureError, match=says):
        Trigger.parse(contract, event, wallets)
