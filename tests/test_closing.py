"""Asking a range of blocks for its logs: pages that shrink, and what is expected of a socket."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio

from actors.closing import Closer
from actors.errors import NodeError, Throttled, TooLarge, Transient
from actors.evm.block import Header
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


def closer() -> Closer:
    ports: Any = SimpleNamespace(config=SimpleNamespace(max_log_blocks=400, name="c"))
    asset: Any = SimpleNamespace(name="A", triggers=())
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
