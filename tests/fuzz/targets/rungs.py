"""What the rungs of the ladder answer: of the pin's block and branch or refused, whole sums or none, and a page as wallet by wallet."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from eth_abi.abi import encode

from actors.errors import NodeError, Permanent
from actors.evm.block import Pin
from actors.evm.multicall3 import Multicall3
from actors.evm.packed import HEAD, Packed
from actors.evm.rung import OVERFLOW, Answer, Failure, PageAnswer, Rung
from actors.evm.single import Single
from tests.fuzz.documents import HEADER, SOURCES, WALLETS
from tests.fuzz.draw import Draw
from tests.fuzz.promise import is_plain, keep
from tests.fuzz.targets.aggregate3 import changed

CHAIN = 1
PIN = Pin(HEADER.number, HEADER.hash, HEADER)
ATTESTED = [HEADER.number.to_bytes(32, "big"), HEADER.parent, HEADER.timestamp.to_bytes(32, "big"), HEADER.prevrandao, CHAIN.to_bytes(32, "big")]
GAS = (30_000_000).to_bytes(32, "big")
VALUES = (0, 1, 2**127, 2**128 - 2, 2**128 - 1, 2**255, 2**256 - 1)
RUNGS: tuple[Rung, ...] = (Packed(), Packed(deployless=True), Multicall3(bytes(19) + b"\x01"), Single())


@dataclass
class Node:
    """Answers each call with the next of the replies; the last one goes on."""

    replies: list[Any]
    hash_pins: bool | None = True
    number_from_arbsys: bool = False
    asked: int = field(default=0)

    async def call(self, method: str, params: list[Any]) -> Any:
        self.asked += 1
        reply = self.replies[min(self.asked, len(self.replies)) - 1]
        if isinstance(reply, NodeError):
            raise reply
        return reply

    async def batch(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        return [*self.replies, *([None] * len(calls))][: len(calls)]

    async def header(self, at: int | str) -> None:
        return None


def target(data: bytes) -> None:
    draw = Draw(data)
    rung, count = draw.pick(RUNGS), 1 + draw.number(len(WALLETS) - 1)
    sums = [draw.pick(VALUES) for _ in range(count)]
    if rung.name == "single":
        replies: list[Any] = singles(draw, sums)
    else:
        replies = [reply(draw, packed(sums, count) if isinstance(rung, Packed) else aggregated(draw, sums))]
    plan = [(SOURCES, wallet) for wallet in WALLETS[:count]]
    addresses = b"".join(WALLETS[:count]).hex()
    answer = outcome(rung.read(Node(list(replies)), CHAIN, PIN, plan))
    page = outcome(rung.read_page(Node(list(replies)), CHAIN, PIN, SOURCES, addresses))
    outcome(rung.attested(Node(list(replies)), "latest", False, HEADER.number))
    outcome(rung.ancestors(Node(list(replies)), CHAIN, HEADER, [HEADER.number - 1]))
    keep(answer is None or proven(rung, replies), "an answer from nowhere is believed")
    if answer is not None:
        whole(answer, count)
    if count > 1 or not isinstance(rung, Packed):  # which asks otherwise for a wallet alone
        same(answer, page)


def outcome(asking: Coroutine[Any, Any, Any]) -> Any:
    """What is answered; None where it is refused."""
    try:
        asking.send(None)
    except StopIteration as done:
        return done.value
    except NodeError as error:
        is_plain(str(error))
        return None
    raise AssertionError("it waits")


def packed(sums: list[int], count: int) -> bytes:
    """What the program answers: sums of 16 bytes; for a wallet alone three words a source."""
    head = b"".join([GAS, *ATTESTED, GAS])
    if count == 1:
        return head + b"".join((one).to_bytes(32, "big") for one in (1, 32, sums[0] // 2) * len(SOURCES))
    return head + b"".join(min(one, 2**128 - 1).to_bytes(16, "big") for one in sums)


def aggregated(draw: Draw, sums: list[int]) -> bytes:
    """What Multicall3 answers: the attestation, and each wallet's two sources, which may fail or be too short."""
    words = [(True, word) for word in ATTESTED]
    for one in sums:
        words += [(draw.number(7) != 1, one.to_bytes(32, "big")), (True, bytes(31 if draw.number(7) == 1 else 32))]
    return encode(["(bool,bytes)[]"], [words])


def singles(draw: Draw, sums: list[int]) -> list[Any]:
    """The slots of a batch: refusals of made-up hashes around an answer a source."""
    refusal = Permanent("header not found")
    slots = [refusal, refusal, *(hex(one) if at else "0x" + one.to_bytes(32, "big").hex() for one in sums for at in range(2)), refusal, refusal]
    for _ in range(draw.number(2)):
        slots[draw.number(len(slots) - 1)] = draw.value() if draw.flag() else refusal
    return slots


def reply(draw: Draw, data: bytes) -> Any:
    """The answer as hex, changed as bytes or as text, or another thing altogether."""
    return draw.changed("0x" + data.hex()) if draw.number(3) == 1 else "0x" + changed(draw, data).hex()


def proven(rung: Rung, replies: list[Any]) -> bool:
    """Whether the reply itself says that it is of the pin's block."""
    if rung.name == "single":
        return all(isinstance(one, NodeError) for one in replies[:2] + replies[-2:])
    data = bytes.fromhex(str(replies[0])[2:])
    if isinstance(rung, Packed):
        return [data[at : at + 32] for at in range(32, HEAD - 32, 32)] == ATTESTED
    return all(word in data for word in ATTESTED)


def whole(answer: Answer, count: int) -> None:
    """Each wallet has a whole sum, or none and why."""
    keep(len(answer.values) == count, "a value for each wallet")
    for value in answer.values:
        keep(isinstance(value, Failure) or (type(value) is int and 0 <= value < OVERFLOW), f"{value!r} is no sum")


def same(answer: Answer | None, page: PageAnswer | None) -> None:
    """A page of the same reply says the same, but what it says of failures."""
    keep((answer is None) == (page is None), f"wallet by wallet {answer}, as a page {page}")
    if answer is not None and page is not None:
        sums = [int(one, 16) for one in page.sums.split(",") if one]
        keep(sums == [value for value in answer.values if isinstance(value, int)], "a page has other sums")
        keep(list(page.failed) == [at for at, value in enumerate(answer.values) if isinstance(value, Failure)], "a page fails for others")


SEEDS = (b"\x00\x02\x01\x02\x03\x00\x00", b"\x01\x03\x04\x04\x04\x04", b"\x02\x02\x01\x05\x06\x00\x00\x00\x00\x00\x00\x02", b"\x03\x01\x01\x02\x01\x04\x01\x03", b"\x00\x00\x01")
