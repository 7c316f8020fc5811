"""What is to be read for claimed rows, and what is wrong with those that cannot be read."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.claim import NATIVE, UNREAD, Address, LedgerRow, RowError, claim_of, human, is_ledger, sources_of, wallet_of
from actors.messages import Failed, Touch

TOKEN = "0x" + "c1" * 20
LOOKUPS = ("users", "operations")


def row(number: str = "r1", address: str | None = "0x" + "aa" * 20, **changes: object) -> LedgerRow:
    given = {"contract": TOKEN, "decimals": "6", "native": False, **changes}
    addresses = given.pop("addresses", (Address("users", address, True, True),))
    return LedgerRow(number, "w1", "a1", addresses, **given)  # type: ignore[arg-type]  # each case names what it changes


def problem(of: LedgerRow) -> str:
    claim, items = claim_of([of], "me", "uuid", LOOKUPS)
    (item,) = items
    assert isinstance(item, Failed)
    ((held,),) = claim.rows.values()
    assert held.id == of.id
    return item.error


@given(st.integers(0, 2**256 - 1), st.integers(0, 77))
def test_the_point_is_shifted_and_no_digit_is_lost(raw: int, decimals: int) -> None:
    with localcontext() as context:
        context.prec = 200
        assert Decimal(human(raw, decimals)) == Decimal(raw).scaleb(-decimals)
    assert human(raw, decimals).replace(".", "").lstrip("0") == str(raw).lstrip("0")


def test_rows_of_one_wallet_and_asset_are_one_touch_and_both_are_held() -> None:
    claim, items = claim_of([row("r1"), row("r2"), row("r3", native=True)], "me", "uuid", LOOKUPS)
    keys = [(item.asset, item.wallet) for item in items if isinstance(item, Touch)]
    assert keys == [(f"ledger:{TOKEN}", b"\xaa" * 20), (NATIVE, b"\xaa" * 20)]
    assert [[held.id for held in claim.rows[key]] for key in keys] == [["r1", "r2"], ["r3"]]


def test_rows_of_one_asset_with_other_decimals_are_shifted_each_by_its_own() -> None:
    claim, items = claim_of([row("r1"), row("r2", decimals="2")], "me", "uuid", LOOKUPS)
    assert len(items) == 1
    assert [held.decimals for held in next(iter(claim.rows.values()))] == [6, 2]


def test_what_is_read_follows_from_the_assets_name() -> None:
    assert [(s.contract, s.selector) for s in sources_of(NATIVE)] == [(None, None)]
    assert [(s.contract, s.selector) for s in sources_of(f"ledger:{TOKEN}")] == [(b"\xc1" * 20, bytes.fromhex("70a08231"))]
    assert is_ledger(NATIVE)
    assert not is_ledger("AUDIO")


def test_what_is_wrong_with_an_address_are_different_errors() -> None:
    found = "0x" + "aa" * 20
    cases = {
        "no address: w1 is not in users, operations": (),
        "no address in users": (Address("users", "", True, True),),
        "the address in users is inactive": (Address("users", found, False, True),),
        "the address in users is on another chain than the asset": (Address("users", found, True, False),),
        "the address in users is malformed: '0xabc'": (Address("users", "0xabc", True, True),),
        f"the address in users is malformed: '{'0x' + '0' * 40}'": (Address("users", "0x" + "0" * 40, True, True),),
    }
    for expected, addresses in cases.items():
        assert problem(row(addresses=addresses)) == expected


def test_lookups_are_tried_in_order_and_the_first_that_can_be_used_counts() -> None:
    bad, good = Address("users", "0x" + "aa" * 20, False, True), Address("operations", "0x" + "BB" * 20, True, True)
    assert wallet_of(row(addresses=(bad, good)), LOOKUPS) == b"\xbb" * 20
    with pytest.raises(RowError, match="users is inactive"):
        wallet_of(row(addresses=(bad, Address("operations", "", True, True))), LOOKUPS)


def test_an_asset_that_cannot_be_read_is_each_of_its_rows_own_error() -> None:
    assert problem(row(contract=None)) == "the asset has no contract_address, and is not native"
    assert problem(row(contract="0x12")) == "the asset's contract_address is malformed: '0x12'"
    assert problem(row(decimals=None)) == "the asset has no decimals"
    for odd in ("78", "-1", "6.5", "NaN", "9" * 40):
        assert problem(row(decimals=odd)) == f"the asset has {odd} decimals, 0 to 77 were expected"
    claim, _ = claim_of([row("r1", decimals=None), row("r2", decimals=None)], "me", "uuid", LOOKUPS)
    assert set(claim.rows) == {(UNREAD, b"r1"), (UNREAD, b"r2")}
