"""Asking a range of blocks for its logs: several questions at once, answers in order, and what a failure leaves."""

from __future__ import annotations

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from actors import gather
from actors.errors import BadAnswer, NodeBehind, NodeError, Throttled, TooLarge, Transient, WrongBlock
from actors.evm.block import Header
from actors.evm.logs import Trigger
from actors.evm.ranges import FIRST_BLOCKS, Ranges
from actors.gather import AHEAD, LONGEST_SECS, UNDER_WAY, Gatherer, Span
from actors.metrics import Metrics

LAST = 1000
TARGET = Header(LAST, LAST.to_bytes(32, "big"), bytes(32), 0, bytes(32))
TOKEN, ANN, BOB = b"\x11" * 20, b"\xa1" * 20, b"\xb2" * 20
TRANSFER = Trigger.parse(TOKEN, "Transfer(address indexed from, address indexed to, uint256 value)", ["from", "to"])
NO_PUSHES = float("inf")
Log = dict[str, Any]


def wallet_of(block: int) -> bytes:
    """Who is touched in a block, and in no other."""
    return b"\xcc" * 12 + block.to_bytes(8, "big")


def transfer(block: int, block_hash: bytes | None = None, receiver: bytes | None = None) -> Log:
    topics = [TRANSFER.event.topic0, bytes(12) + ANN, bytes(12) + (receiver or wallet_of(block))]
    return {
        "address": "0x" + TOKEN.hex(), "topics": ["0x" + topic.hex() for topic in topics], "data": "0x" + bytes(32).hex(),
        "blockNumber": hex(block), "blockHash": "0x" + (block_hash or block.to_bytes(32, "big")).hex(), "logIndex": "0x0", "removed": False,
    }  # fmt: skip


class FakeEndpoint:
    """Has one log in each block. Takes ranges of at most so many blocks; `delay` says how long an answer takes, or raises."""

    def __init__(self, most: int = 10**9, refusal: NodeError | None = None, delay: Callable[[int], float] = lambda first: 1.0) -> None:
        self.most, self.refusal, self.delay = most, refusal or TooLarge("too long"), delay
        self.asked: list[tuple[int, int]] = []
        self.answered: list[tuple[int, int]] = []
        self.under_way = self.most_under_way = self.furthest = 0

    async def logs(self, where: dict[str, Any]) -> list[Log]:
        first, last = int(where["fromBlock"], 16), int(where["toBlock"], 16)
        self.asked.append((first, last))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await trio.sleep(self.delay(first))
        finally:
            self.under_way -= 1
        if last - first + 1 > self.most:
            raise self.refusal
        self.answered.append((first, last))
        return [transfer(block) for block in range(first, last + 1)]


class OneLog:
    """Answers one log, whatever it is asked."""

    def __init__(self, block: int, block_hash: bytes) -> None:
        self.log = transfer(block, block_hash)

    async def logs(self, where: dict[str, Any]) -> list[Log]:
        await trio.lowlevel.checkpoint()
        return [self.log]


def gatherer(most_blocks: int = 400) -> Gatherer:
    ports: Any = SimpleNamespace(config=SimpleNamespace(max_log_blocks=most_blocks, name="c"), metrics=Metrics())
    asset: Any = SimpleNamespace(name="A", triggers=[TRANSFER])
    return Gatherer(ports, asset)


class Run:
    """One range, gathered span by span."""

    def __init__(self, asks: Gatherer, endpoint: Any, first: int = 1) -> None:
        self.asks, self.endpoint = asks, endpoint
        self.ranges = Ranges[Span](first, LAST, asks.size)

    async def span(self) -> Span:
        return await self.asks.span(self.endpoint, self.ranges, TARGET, NO_PUSHES)


def is_whole(span: Span, first: int, last: int) -> bool:
    """Whether it holds these blocks, and the log of each."""
    blocks = {wallet_of(block): block for block in range(first, last + 1)}
    return (span.first, span.last) == (first, last) and span.events == {ANN: last, **blocks}


async def test_several_questions_are_under_way_and_whatever_answers_first_the_blocks_are_all_there(
    autojump_clock: trio.testing.MockClock,
) -> None:
    for seed in range(20):
        chance = random.Random(seed)
        endpoint = FakeEndpoint(delay=lambda first, chance=chance: chance.uniform(0, 1))  # type: ignore[misc]
        assert is_whole(await Run(gatherer(150), endpoint).span(), 1, LAST)
        assert endpoint.most_under_way == UNDER_WAY


async def test_no_more_is_asked_ahead_of_a_slow_answer_than_memory_holds(autojump_clock: trio.testing.MockClock) -> None:
    endpoint = FakeEndpoint(delay=lambda first: 20.0 if first == 1 else 0.1)
    asks = gatherer(10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Run(asks, endpoint).span)
        await trio.sleep(19)
        assert len(endpoint.asked) == UNDER_WAY + AHEAD
    assert len(endpoint.asked) == LAST / 10


async def test_refused_ranges_are_asked_again_in_smaller_parts_at_once(autojump_clock: trio.testing.MockClock) -> None:
    endpoint = FakeEndpoint(most=30)
    assert is_whole(await Run(gatherer(), endpoint).span(), 1, LAST)
    assert sum(last - first + 1 for first, last in endpoint.answered) == LAST


async def test_a_block_that_is_refused_alone_is_an_error(autojump_clock: trio.testing.MockClock) -> None:
    with pytest.raises(TooLarge):
        await Run(gatherer(), FakeEndpoint(most=0)).span()


async def gathered(asks: Gatherer, endpoint: FakeEndpoint, attempts: int) -> bool:
    """Whether the range was gathered within so many attempts, each of which goes on from what it has."""
    first = 1
    for _ in range(attempts):
        try:
            span = await Run(asks, endpoint, first).span()
        except Transient:
            continue
        first = span.last + 1
        if first > LAST:
            return True
    return False


@pytest.mark.parametrize("refusal", [Transient("no answer within 10 s"), Transient("status 502")])
async def test_a_range_whose_answer_does_not_come_is_asked_in_smaller_parts_the_next_time(
    refusal: NodeError, autojump_clock: trio.testing.MockClock
) -> None:
    asks, endpoint = gatherer(), FakeEndpoint(60, refusal)
    assert not await gathered(asks, endpoint, 1)
    assert await gathered(asks, endpoint, 10)


async def test_being_throttled_says_nothing_of_the_range(autojump_clock: trio.testing.MockClock) -> None:
    assert not await gathered(gatherer(), FakeEndpoint(60, Throttled("slow down")), 10)


def failing_at(block: int, error: NodeError) -> Callable[[int], float]:
    def delay(first: int) -> float:
        if first >= block:
            raise error
        return 1.0

    return delay


async def test_what_was_gathered_before_the_network_failed_comes_first(autojump_clock: trio.testing.MockClock) -> None:
    run = Run(gatherer(100), FakeEndpoint(delay=failing_at(4 * FIRST_BLOCKS, Transient("not reached"))))
    assert is_whole(await run.span(), 1, 4 * FIRST_BLOCKS)
    with pytest.raises(Transient):
        await Run(run.asks, run.endpoint, 4 * FIRST_BLOCKS + 1).span()


@pytest.mark.parametrize("fault", [Transient("502"), Throttled("429")], ids=["a bad gateway", "throttled"])
@pytest.mark.parametrize("at", [1, 201, 401, 901])
async def test_what_was_asked_for_in_vain_is_asked_for_again_by_the_next_span(
    fault: NodeError, at: int, autojump_clock: trio.testing.MockClock
) -> None:
    faults = [fault]

    def delay(first: int) -> float:
        if first >= at and faults:
            raise faults.pop()
        return 1.0

    endpoint: Any = FakeEndpoint(delay=delay)
    found, ranges = gatherer(100), Ranges[Span](1, LAST, gatherer(100).size)
    wallets: set[bytes] = set()
    while not ranges.done:
        try:
            wallets |= (await found.span(endpoint, ranges, TARGET, NO_PUSHES)).events.keys()
        except NodeError as error:
            assert error is fault
    assert wallets == {ANN, *map(wallet_of, range(1, LAST + 1))}
    assert not faults


@pytest.mark.parametrize("error", [WrongBlock("another"), NodeBehind("has it not")])
async def test_what_was_gathered_from_a_node_that_is_elsewhere_is_not_used(
    error: NodeError, autojump_clock: trio.testing.MockClock
) -> None:
    with pytest.raises(type(error)):
        await Run(gatherer(100), FakeEndpoint(delay=failing_at(4 * FIRST_BLOCKS, error))).span()


async def test_a_failure_ends_the_other_questions(autojump_clock: trio.testing.MockClock) -> None:
    endpoint = FakeEndpoint(most=50, refusal=Transient("not reached"), delay=lambda first: 1.0 if first == 1 else 1000.0)
    with pytest.raises(Transient):
        await Run(gatherer(), endpoint).span()
    assert trio.current_time() < 10
    assert endpoint.under_way == 0


async def test_a_span_ends_with_as_many_wallets_as_an_errand_holds_and_nothing_is_asked_twice(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "MOST_WALLETS", 150)
    run = Run(gatherer(100), FakeEndpoint(delay=lambda first: 1.0 if first % 3 else 2.0))
    first, spans = 1, 0
    while first <= LAST:
        span = await run.span()
        assert is_whole(span, first, min(LAST, first + 199))
        first, spans = span.last + 1, spans + 1
    assert spans == 5
    assert sorted(run.endpoint.asked) == [(block, block + 99) for block in range(1, LAST, 100)]


@pytest.mark.parametrize("share", [0.1, 0.7, 2.0])
async def test_a_span_that_takes_long_ends_with_what_it_has(share: float, autojump_clock: trio.testing.MockClock) -> None:
    run, first = Run(gatherer(10), FakeEndpoint(delay=lambda first: LONGEST_SECS * share)), 1
    while first <= LAST:
        began = trio.current_time()
        span = await run.span()
        assert is_whole(span, first, span.last)
        assert trio.current_time() - began <= LONGEST_SECS * (1 + 2 * share)
        first = span.last + 1
    assert len(run.endpoint.asked) == LAST / 10


async def test_who_is_cancelled_leaves_no_question_under_way(autojump_clock: trio.testing.MockClock) -> None:
    endpoint = FakeEndpoint()
    for secs in (0, 0.5, 1, 1.5):
        with trio.move_on_after(secs) as scope:
            await Run(gatherer(), endpoint).span()
        assert scope.cancelled_caught
        assert endpoint.under_way == 0


@pytest.mark.parametrize(
    ("first", "block", "block_hash", "error"),
    [
        (990, 995, b"\x05" * 32, None),
        (990, 1000, TARGET.hash, None),
        (990, 989, b"\x05" * 32, BadAnswer),
        (990, 10**6, b"\x05" * 32, BadAnswer),
        (990, 1000, b"\x05" * 32, WrongBlock),
    ],
)
async def test_a_log_of_another_block_than_was_asked_for_is_no_answer(
    first: int, block: int, block_hash: bytes, error: type[NodeError] | None
) -> None:
    run = Run(gatherer(), OneLog(block, block_hash), first)
    if error is None:
        assert set((await run.span()).events) == {ANN, wallet_of(block)}
        return
    with pytest.raises(error):
        await run.span()


@pytest.mark.parametrize(("block", "block_hash", "error"), [(1000, TARGET.hash, None), (999, TARGET.hash, BadAnswer), (1000, b"\x05" * 32, WrongBlock)])
async def test_a_log_of_another_block_than_the_one_that_was_asked_for_is_no_answer(
    block: int, block_hash: bytes, error: type[NodeError] | None
) -> None:
    endpoint: Any = OneLog(block, block_hash)
    if error is None:
        assert set((await gatherer().block(endpoint, TARGET, NO_PUSHES)).events) == {ANN, wallet_of(block)}
        return
    with pytest.raises(error):
        await gatherer().block(endpoint, TARGET, NO_PUSHES)


class Answers:
    """Answers what it is given."""

    def __init__(self, logs: list[Log]) -> None:
        self._logs = logs

    async def logs(self, where: dict[str, Any]) -> list[Log]:
        await trio.lowlevel.checkpoint()
        return self._logs


async def test_a_log_that_does_not_decode_is_counted_and_hides_no_other() -> None:
    odd = transfer(992)
    odd["topics"] = odd["topics"][:2]
    asks = gatherer()
    span = await Run(asks, Answers([transfer(991), odd, {**transfer(993), "removed": True}, transfer(994, receiver=BOB)]), 990).span()
    assert span.events == {ANN: 994, wallet_of(991): 991, BOB: 994}
    assert asks._ports.metrics.logs_undecodable.labels("A")._value.get() == 1


async def test_a_log_that_is_no_log_fails_the_answer_however_good_the_others_are() -> None:
    with pytest.raises(BadAnswer):
        await Run(gatherer(), Answers([transfer(991), {**transfer(993), "data": None}]), 990).span()


@pytest.mark.parametrize("odd", [False, True])
async def test_ids_are_kept_of_logs_above_what_a_socket_pushed(odd: bool) -> None:
    logs = [transfer(991), transfer(992), transfer(993)]
    if odd:
        logs[0]["address"] = logs[0]["address"].upper().replace("X", "x")
    endpoint: Any = Answers(logs)
    asks = gatherer()
    span = await asks.span(endpoint, Ranges[Span](990, LAST, asks.size), TARGET, 991)
    assert span.ids == {(block.to_bytes(32, "big"), 0, block) for block in (992, 993)}
