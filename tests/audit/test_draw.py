"""A table that is read whole for each draw is given little of the time."""

from __future__ import annotations

from random import Random
from typing import Any, cast

import trio
from trio.testing import MockClock

from actors.audit.draw import LONGEST_REST_SECS, REST, Drawing
from actors.audit.verdict import Selected
from actors.config import AssetConfig
from actors.ports import Store
from actors.store import audit

ASSET = cast("AssetConfig", None)


class Table:
    """A store whose table has so many pages; read whole, it takes so long, and fails to end within its time where it is `late`."""

    def __init__(self, pages: int, secs: float = 0.0, late: bool = False) -> None:
        self._pages, self._secs, self._late = pages, secs, late
        self.busy_secs = 0.0

    async def patiently(self, unit: object, *args: Any) -> Any:
        if unit is audit.extent:
            return self._pages, 8192
        if unit is audit.bernoulli_within:
            await trio.sleep(self._secs)
            self.busy_secs += self._secs
            return None if self._late else Selected([], 0)
        assert unit is audit.at_places
        return Selected([], 0)


async def an_hour(table: Table, drawing: Drawing) -> int:
    """Ticks of ten seconds; how many of them drew."""
    drew, end = 0, trio.current_time() + 3600
    while trio.current_time() < end:
        drew += await drawing.draw(cast("Store", table), ASSET, 100, 10, Random(1)) is not None
        await trio.sleep(10)
    return drew


async def test_a_table_that_is_read_whole_rests_in_proportion(autojump_clock: MockClock) -> None:
    table = Table(0, secs=1.0)
    assert 15 <= await an_hour(table, Drawing()) <= 18
    assert table.busy_secs <= 3600 / REST + 1


async def test_a_table_that_takes_too_long_is_shown_as_that_and_tried_again(autojump_clock: MockClock) -> None:
    table, drawing = Table(0, secs=4.0, late=True), Drawing()
    assert await an_hour(table, drawing) == 0
    assert 4 <= table.busy_secs / 4.0 <= 3600 / LONGEST_REST_SECS + 1
    assert drawing.too_slow is not None
    assert "longer over it than 2 s" in drawing.too_slow
    drawing.due = 0.0
    assert await an_hour(Table(0), drawing) > 300
    assert drawing.too_slow is None


async def test_a_table_with_places_never_rests(autojump_clock: MockClock) -> None:
    assert await an_hour(Table(10), Drawing()) == 360
