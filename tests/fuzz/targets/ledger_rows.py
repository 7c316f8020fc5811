"""Ledger rows as other programs wrote them: each is a touch of a real wallet, or has an error that is written into it."""

from __future__ import annotations

from decimal import Decimal, localcontext

from actors.claim import UNREAD, Address, LedgerRow, claim_of, human, sources_of
from actors.messages import Failed, Touch
from actors.store.set_aside import ERROR_LENGTH, plain
from tests.fuzz.documents import TOKEN
from tests.fuzz.draw import Draw
from tests.fuzz.promise import keep

ADDRESSES = (TOKEN, TOKEN.lower(), TOKEN.upper().replace("0X", "0x"), "0x" + "0" * 40, TOKEN[2:], TOKEN + " ", " " + TOKEN, "0X" + TOKEN[2:], "", TOKEN[:-1] + "Ａ")
DECIMALS = ("18", "0", "77", "78", "-1", "6.5", "18.0", "NaN", "Infinity", " 18", "１８", "1e2", "9" * 70, "²", "")


def text(draw: Draw, options: tuple[str, ...]) -> str | None:
    """One of them, anything, or NULL."""
    return None if draw.number(7) == 7 else draw.pick(options) if draw.number(3) else draw.text(60)


def row(draw: Draw, number: int) -> LedgerRow:
    """A row that was claimed."""
    found = tuple(Address("users", text(draw, ADDRESSES), not draw.flag(), not draw.flag()) for _ in range(draw.number(2)))
    return LedgerRow(str(number), draw.text(), draw.text(), found, text(draw, ADDRESSES), text(draw, DECIMALS), draw.flag())


def target(data: bytes) -> None:
    draw = Draw(data)
    rows = [row(draw, number) for number in range(1 + draw.number(3))]
    claim, items = claim_of(rows, "me", "uuid", ["users"])
    keep(sorted(held.id for each in claim.rows.values() for held in each) == sorted(one.id for one in rows), "each row is held once")
    for item in items:
        if isinstance(item, Failed):
            keep(item.touch.asset == UNREAD, "a failure is of its row")
            stored = plain(item.error)
            keep("\0" not in stored and len(stored) <= ERROR_LENGTH, "what is stored of an error")
            stored.encode()
        else:
            assert isinstance(item, Touch)
            keep(len(item.wallet) == 20 and any(item.wallet), "a wallet")
            keep(all(each.contract is None or any(each.contract) for each in sources_of(item.asset)), "a contract")
    agrees(draw.number(2**64), draw.number(77))


def agrees(raw: int, decimals: int) -> None:
    """The point is where the library puts it."""
    with localcontext() as context:
        context.prec = 200
        keep(Decimal(human(raw, decimals)) == Decimal(raw).scaleb(-decimals), f"{raw} with {decimals} decimals is {human(raw, decimals)}")


SEEDS = (b"\x00\x01\x00\x01\x01\x00\x00", b"\x01\x02\x00\x01\x03\x01\x02\x05\x01", b"\x02" * 30)
