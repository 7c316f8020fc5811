"""Pages that are written whole, less the rows that take no value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import psycopg
import trio
import trio.testing

from actors.errand import ErrandBook
from actors.mailbox import Lane
from actors.messages import Failed, Outcome, PageReading, PageResult
from actors.metrics import Metrics
from actors.page_writer import PageWriter, halves

NAMES = ["0x" + bytes([number]).hex() * 20 for number in range(1, 6)]


class NarrowStore:
    """Takes no balance of three digits."""

    async def patiently(self, fn: Callable[..., Any], reading: PageReading, *args: Any) -> PageResult:
        await trio.lowlevel.checkpoint()
        if any(int(balance, 16) > 99 for balance in reading.balances.split(",")):
            raise psycopg.errors.NumericValueOutOfRange("numeric field overflow\nDETAIL: of digits")
        return PageResult(reading.count, 0, None)


def page_reading(book: ErrandBook, *balances: int) -> PageReading:
    errand = book.register_page("c", "T", ",".join(NAMES), len(NAMES))
    (page,) = errand.pages.values()
    return PageReading(page, page.wallets, ",".join(map(hex, balances)), page.count, 9, bytes(32), 0, 0.0)


def test_the_halves_of_a_page_hold_each_of_its_wallets_once() -> None:
    parts = halves(page_reading(ErrandBook(), 1, 2, 3, 4, 5))
    assert [(part.wallets.split(","), part.balances, part.count) for part in parts] == [
        (NAMES[:2], "0x1,0x2", 2),
        (NAMES[2:], "0x3,0x4,0x5", 3),
    ]


async def test_a_row_that_takes_no_value_is_set_aside_and_the_others_of_its_page_are_written() -> None:
    book, lane, failed = ErrandBook(), Lane[PageReading](1), list[Outcome]()

    async def commit(store: object, outcomes: Sequence[Outcome]) -> None:
        await trio.lowlevel.checkpoint()
        failed.extend(outcomes)

    ports: Any = SimpleNamespace(assets={}, metrics=Metrics(), catch_up=lambda branch: None)
    store: Any = NarrowStore()
    assert lane.offer(page_reading(book, 1, 2, 300, 4, 5))
    lane.close()
    await PageWriter(lane, store, {"T": ports}, book, commit).run()
    (one,) = failed
    assert isinstance(one, Failed)
    assert (one.touch.wallet.hex(), one.error) == (NAMES[2][2:], "cannot be written: numeric field overflow")
    assert ports.metrics.rows_written.labels("T")._value.get() == 4
    assert (book.count(), lane.held) == (0, [])


class AwayStore:
    """Postgres is away for so many seconds of a unit's asking; `ages` are those of what it was then handed."""

    def __init__(self, secs: float) -> None:
        self._secs, self.ages = secs, list[float]()

    async def patiently(self, fn: Callable[..., Any], reading: PageReading, assets: object, clock: Callable[[], float]) -> PageResult:
        await trio.sleep(self._secs)
        self.ages.append(clock() - reading.read_at)
        return PageResult(reading.count, 0, None)


async def test_a_page_that_waited_for_postgres_is_as_old_as_its_reading(autojump_clock: trio.testing.MockClock) -> None:
    book, lane, store = ErrandBook(), Lane[PageReading](1), AwayStore(600)
    ports: Any = SimpleNamespace(assets={}, metrics=Metrics(), catch_up=lambda branch: None)
    assert lane.offer(replace(page_reading(book, 1, 2, 3, 4, 5), read_at=trio.current_time()))
    lane.close()
    as_any: Any = store
    await PageWriter(lane, as_any, {"T": ports}, book, _no_outcome).run()
    assert store.ages == [600.0]


async def _no_outcome(store: object, outcomes: Sequence[Outcome]) -> None:
    raise AssertionError(f"{outcomes} left their page")
