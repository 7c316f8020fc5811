"""What the answer to a page becomes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.evm.block import Header, Pin
from actors.evm.rung import page_answer
from actors.messages import Page
from actors.outcomes import Asked, addresses_of, page_reading

WALLETS = st.lists(st.binary(min_size=20, max_size=20), min_size=1, max_size=20, unique=True)
HEADER = Header(7, bytes([7]) * 32, bytes(32), 0, bytes(32))
ASKED = Asked(Pin(7, HEADER.hash, HEADER), 3, 1.5)


def page_of(wallets: list[bytes]) -> Page:
    return Page(1, 2, "AUDIO", ",".join("0x" + wallet.hex() for wallet in wallets), len(wallets))


@given(WALLETS)
def test_a_pages_addresses_are_its_wallets_digits_one_behind_the_other(wallets: list[bytes]) -> None:
    assert addresses_of(page_of(wallets)) == b"".join(wallets).hex()


@given(WALLETS, st.data())
def test_each_wallet_of_a_page_has_its_own_sum_or_is_one_that_failed(wallets: list[bytes], draw: st.DataObject) -> None:
    sums = draw.draw(st.lists(st.none() | st.integers(0, 2**256 - 2), min_size=len(wallets), max_size=len(wallets)))
    reading, failed = page_reading(page_of(wallets), page_answer(sums), ASKED)
    pairs = zip(reading.wallets.split(","), reading.balances.split(","), strict=True) if reading.count else []
    found = {wallet: int(balance, 16) for wallet, balance in pairs}
    texts = ["0x" + wallet.hex() for wallet in wallets]
    assert found == {text: value for text, value in zip(texts, sums, strict=True) if value is not None}
    assert failed == [text for text, value in zip(texts, sums, strict=True) if value is None]
    assert (reading.count, reading.block, reading.branch) == (len(found), 7, 3)
