"""Asking a range of blocks for its logs: pages that shrink, and what is expected of a socket."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio

from actors.closing import Closer
from actors.errors import BadAnswer, NodeError, Throttled, TooLarge, Transient, WrongBlock
from actors.evm.block import Header
from actors.evm.logs import Trigger
from actors.pushes import PushWatch

TARGET = Header(1000, bytes(32), bytes(32), 0, bytes(32))


class FakeEndpoint:
    """Answers ranges of at most so many blocks, and else as it is told."""

    def __init__(self, most: int, refusal: NodeError) -> None:
        self.most, self.refusal = most, refusal
        self.ranges: list[tuple[int, int]] = []

    async def logs(self, where: dict[str, Any]) -> list[dict[str, Any]]:
        first, last = int(where["fromBlock"], 16), int(where["toBlock"], 16)
        await trio.lowlevel.checkpoint()
        if last - first + 1 > self.most:
            raise self.refusal
        self.ranges.append((first, last))
        return []


def closer(*triggers: Trigger) -> Closer:
    ports: Any = SimpleNamespace(config=SimpleNamespace(max_log_blocks=400, name="c"))
    asset: Any = SimpleNamespace(name="A", triggers=triggers)
    return Closer(ports, asset, None, PushWatch())  # type: ignore[arg-type]  # no reorgs in here


async def gathered(asker: Closer, endpoint: FakeEndpoint, attempts: int) -> bool:
    """Whether the range was gathered within so many attempts, each of which closes what it has."""
    first = 1
    for _ in range(attempts):
        try:
            span = await asker.gather(endpoint, first, TARGET)  # type: ignore[arg-type]  # a fake
        except Transient:
            continue
        first = span.last + 1
        if first > TARGET.number:
            return True
    return False


async def test_a_range_that_is_refused_shrinks_at_once() -> None:
    endpoint = FakeEndpoint(100, TooLarge("too long"))
    assert await gathered(closer(), endpoint, 1)
    assert (endpoint.ranges[0][0], endpoint.ranges[-1][1]) == (1, 1000)


@pytest.mark.parametrize("refusal", [Transient("no answer within 10 s"), Transient("status 502")])
async def test_a_range_whose_answer_does_not_come_is_asked_in_smaller_parts_the_next_time(refusal: NodeError) -> None:
    asker, endpoint = closer(), FakeEndpoint(100, refusal)
    assert not await gathered(asker, endpoint, 1)
    assert await gathered(asker, endpoint, 10)


async def test_being_throttled_says_nothing_of_the_range() -> None:
    assert not await gathered(closer(), FakeEndpoint(100, Throttled("slow down")), 10)


TOKEN, ANN, BOB = b"\x11" * 20, b"\xa1" * 20, b"\xb2" * 20
TRANSFER = Trigger.parse(TOKEN, "Transfer(address indexed from, address indexed to, uint256 value)", ["from", "to"])


class OneLog:
    """Answers one log, whatever it is asked."""

    def __init__(self, block: int, block_hash: bytes) -> None:
        self.block, self.block_hash = block, block_hash

    async def logs(self, where: dict[str, Any]) -> list[dict[str, Any]]:
        await trio.lowlevel.checkpoint()
        topics = [TRANSFER.event.topic0, bytes(12) + ANN, bytes(12) + BOB]
        return [
            {
                "address": "0x" + TOKEN.hex(), "topics": ["0x" + topic.hex() for topic in topics], "data": "0x" + bytes(32).hex(),
                "blockNumber": hex(self.block), "blockHash": "0x" + self.block_hash.hex(), "logIndex": "0x0", "removed": False,
            }
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "block", "block_hash", "error"),
    [
        (990, 995, b"\x05" * 32, None),
        (990, 1000, bytes(32), None),
        (990, 989, b"\x05" * 32, BadAnswer),
        (990, 10**6, b"\x05" * 32, BadAnswer),
        (990, 1000, b"\x05" * 32, WrongBlock),
        (1000, 1000, bytes(32), None),
        (1000, 999, bytes(32), BadAnswer),
        (1000, 1000, b"\x05" * 32, WrongBlock),
    ],
)
async def test_a_log_of_another_block_than_was_asked_for_is_no_answer(
    first: int, block: int, block_hash: bytes, error: type[NodeError] | None
) -> None:
    asker, endpoint = closer(TRANSFER), OneLog(block, block_hash)
    if error is None:
        assert set((await asker.gather(endpoint, first, TARGET)).events) == {ANN, BOB}  # type: ignore[arg-type]  # a fake
        return
    with pytest.raises(error):
        await asker.gather(endpoint, first, TARGET)  # type: ignore[arg-type]  # a fake
