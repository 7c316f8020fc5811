"""What one `eth_getLogs` may ask for: how many blocks, and how many logs; and how many events the assets have in a block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.config import AssetConfig
from actors.doctor.node.log_book import LogBook, Question
from actors.doctor.node.probe import NOBODY, Probe
from actors.doctor.node.search import Found, Search
from actors.errors import NodeError, TooLarge
from actors.evm.logs import filter_for

MOST_BLOCKS = 131_072
LIKELY_BLOCKS = tuple(
    sorted({5, 10, 50, 100, 128, 450, 500, 800, 1000, 1024, 2000, 2048, 3000, 3500, 5000, 7500, 8192, 10_000, 20_000, 50_000, 100_000})
)
MOST_LOGS = 20_500
LIKELY_LOGS = (1000, 2000, 5000, 10_000, 20_000)
MOST_PARTS = 60
PART_LOGS = 400  # in one part of the book: no node cuts so short an answer
EVENT_BLOCKS = 100
Logs = list[dict[str, Any]]


async def log_blocks(probe: Probe) -> Found:
    """The longest range, asked for logs of an account that has none, so that nothing but its length can be too much."""

    async def ask(blocks: int) -> None:
        await _logs(probe, probe.settled - blocks + 1, probe.settled, address=NOBODY)

    search = Search(min(MOST_BLOCKS, probe.settled + 1), likely=LIKELY_BLOCKS)
    return await probe.search("log range", search, ask)


async def log_results(probe: Probe, most_blocks: int) -> Found:
    """The most logs in an answer, by questions whose answers are known: the logs of the newest blocks, `most_blocks` at most, are learned
    in small parts first. Sets `logs_cut` where an answer lacks some.
    """
    book, largest, said = await _book(probe, most_blocks)
    if not book.total:
        return Found(0, None, 0, stopped=said or f"there are none in the newest {book.last - book.first + 1} blocks")
    questions: dict[int, Question] = {}

    async def ask(count: int) -> None:
        found = await probe.endpoint.logs(questions[count].filter())
        if len(found) < count:
            probe.found.logs_cut = True
            raise TooLarge(f"eth_getLogs: {len(found)} logs are answered where there are {count}")

    search = Search(book.total, largest, likely=LIKELY_LOGS)
    while not probe.over and (count := search.next()) is not None:
        if count not in questions:
            question = book.question(count, search.bracket[0])
            if question is None:
                search.stop("no question has an answer of a size between")
                break
            questions[count := question.count] = question
        probe.show("log results")
        search.answered(count, *await probe.asked(search, ask, count))
    return search.found()


async def _book(probe: Probe, most_blocks: int) -> tuple[LogBook, int, str]:
    """The newest logs, the most that came in one answer, and why there are no more, "" where nothing was refused."""
    book, largest, size = LogBook(probe.settled), 1, 1
    lowest = max(0, probe.settled - most_blocks + 1)
    for _ in range(MOST_PARTS):
        if book.total >= MOST_LOGS or book.first <= lowest or probe.over:
            break
        probe.show("log results")
        first = max(lowest, book.first - size)
        try:
            found = await _logs(probe, first, book.first - 1)
            book.add(first, found)
        except NodeError as error:
            if size == 1:
                return book, largest, str(error)
            size //= 2
            continue
        largest = max(largest, len(found))
        size = max(1, min(2 * size, size * PART_LOGS // max(1, len(found))))
    return book, largest, ""


async def events_per_block(probe: Probe, assets: Sequence[AssetConfig], most_blocks: int) -> float | None:
    """How many logs the triggers match in a block, by the newest blocks; None where there are no triggers, or no answer."""
    blocks, count, asked = min(EVENT_BLOCKS, most_blocks, probe.settled + 1), 0, False
    for asset in assets:
        if asset.triggers:
            probe.show("events")
            try:
                count += len(await _logs(probe, probe.settled - blocks + 1, probe.settled, **filter_for(asset.triggers)))
            except NodeError:
                return None
            asked = True
    return round(count / blocks, 3) if asked else None


async def _logs(probe: Probe, first: int, last: int, **where: Any) -> Logs:
    return await probe.endpoint.logs({"fromBlock": hex(first), "toBlock": hex(last), **where})
