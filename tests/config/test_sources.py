"""What an asset is read from: addresses, calls, events and their wallets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.texts import EVENT, MINIMAL, TOKEN, changed, loaded, refusal


def test_sources_must_not_be_empty(file: Path) -> None:
    source = f'[{{ contract = "{TOKEN}", call = "balanceOf(address)" }}]'
    assert refusal(file, changed(source, "[]")).startswith("key asset[0].sources: expected at least one of {")
    assert refusal(file, changed(source, "[{ native = false }]")).startswith("key asset[0].sources[0]: expected {")
    assert refusal(file, changed(source, "[{ native = true }, { native = true }]")).startswith(
        "key asset[0].sources[1]: expected each source once"
    )


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (TOKEN[:-1], "an address of 0x and 40 hex digits, got"),
        (TOKEN + "00", "(42 digits)"),
        (TOKEN[2:], "an address of 0x and 40 hex digits"),
        (TOKEN[:-1] + "g", "an address of 0x and 40 hex digits"),
        (TOKEN.replace("aAA7", "aaA7"), "an address with the right checksum"),
        (TOKEN[:-1] + "9", "an address with the right checksum"),
        ("0x" + "0" * 40, "an address other than zero"),
    ],
)
def test_a_bad_address_is_refused_wherever_it_is(file: Path, address: str, message: str) -> None:
    assert message in refusal(file, changed(TOKEN, address))
    assert refusal(file, MINIMAL.replace(TOKEN, address)).startswith("key asset[0].sources[0].contract: expected an address")
    in_trigger = changed(f'triggers = [{{ contract = "{TOKEN}"', f'triggers = [{{ contract = "{address}"')
    assert refusal(file, in_trigger).startswith("key asset[0].triggers[0].contract: expected an address")
    multicall3 = changed("chain_id = 1", f'chain_id = 1\nmulticall3 = "{address}"')
    assert refusal(file, multicall3).startswith("key chain[0].multicall3: expected an address")


@pytest.mark.parametrize("address", [TOKEN.lower(), "0x" + TOKEN[2:].upper()])
def test_an_address_without_a_checksum_is_taken(file: Path, address: str) -> None:
    assert loaded(file, MINIMAL.replace(TOKEN, address)).assets[0].sources[0].contract == bytes.fromhex(TOKEN[2:])


@pytest.mark.parametrize(
    "call", ["balanceOf", "balanceOf(", "balanceOf()", "balanceOf(adress)", "balanceOf(address,uint256)", ""]
)
def test_a_bad_call_is_refused(file: Path, call: str) -> None:
    message = refusal(file, changed("balanceOf(address)", call))
    assert message.startswith("key asset[0].sources[0].call: expected a ")


@pytest.mark.parametrize(
    "event", ["Transfer", "Transfer(address from", "Transfer(adress from, address to)", "1(address from, address to)"]
)
def test_a_bad_event_is_refused(file: Path, event: str) -> None:
    message = refusal(file, changed(EVENT, event))
    assert message.startswith("key asset[0].triggers[0].event: expected a signature")


@pytest.mark.parametrize("wallets", ['["from", "too"]', '["value"]', '["from", "from"]', "[]", '"from"', "[1]"])
def test_wallets_are_the_events_own_addresses(file: Path, wallets: str) -> None:
    assert refusal(file, changed('["from", "to"]', wallets)).startswith("key asset[0].triggers[0].wallets")
