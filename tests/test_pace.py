"""The sweep's pace from the table's size, the target age and the config."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.pace import LARGEST_TICK, RAREST_TICK_SECS, Pace, pace

ROWS, AGES, INTERVALS, BATCHES = st.integers(1, 10**8), st.floats(1, 10**7), st.floats(0.1, 3600), st.integers(1, 10**6)


def test_without_a_target_it_is_what_the_config_says() -> None:
    assert pace(3_150_000, 0, 30, 50) == Pace(50, 30)


def test_an_empty_table_has_the_configs_pace() -> None:
    assert pace(0, 3600, 30, 50) == Pace(50, 30)


@example(rows=3, target=10.0, interval=30.0, batch=50)
@given(rows=ROWS, target=AGES, interval=INTERVALS, batch=BATCHES)
def test_a_lap_ends_before_the_rows_are_as_old_as_the_target(rows: int, target: float, interval: float, batch: int) -> None:
    assert pace(rows, target, interval, batch).lap_secs(rows) < target


@given(rows=ROWS, target=AGES, interval=INTERVALS, batch=BATCHES)
def test_a_tick_is_never_too_large_nor_larger_than_the_table_nor_too_rare(
    rows: int, target: float, interval: float, batch: int
) -> None:
    found = pace(rows, target, interval, batch)
    assert 1 <= found.rows <= min(rows, LARGEST_TICK)
    assert found.interval_secs <= max(interval, RAREST_TICK_SECS)


def test_a_large_table_has_larger_ticks_at_the_same_interval() -> None:
    found = pace(3_150_000, 86_400, 30, 50)
    assert found.interval_secs == pytest.approx(30, rel=0.01)
    assert found.rows == pytest.approx(3_150_000 / (0.9 * 86_400 / 30), rel=0.01)


def test_a_very_large_table_has_more_ticks_instead() -> None:
    found = pace(3_150_000, 600, 30, 50)
    assert (found.rows, found.interval_secs) == (50_000, pytest.approx(0.9 * 600 / 63))


def test_a_small_table_has_rarer_ticks_instead_of_smaller_ones() -> None:
    found = pace(1000, 3600, 30, 50)
    assert (found.rows, found.interval_secs) == (50, pytest.approx(0.9 * 3600 / 20))
