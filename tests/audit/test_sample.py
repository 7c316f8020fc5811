"""Which places of a table are drawn, and how many at a time."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from actors.audit.sample import MOST_PLACES, MOST_ROWS, pace_of, places, places_for, some

SEEDS = st.integers(0, 10**6).map(Random)


@given(st.integers(1, 2**31 - 1))
def test_the_pace_is_what_was_asked_for(rows_a_minute: int) -> None:
    pace = pace_of(rows_a_minute)
    assert 1 <= pace.rows <= MOST_ROWS
    assert abs(pace.rows * 60 / pace.interval_secs - rows_a_minute) <= rows_a_minute * 1e-9
    assert pace.interval_secs <= 60


@given(st.integers(1, 10**6), st.integers(0, 5000), SEEDS)
def test_places_are_different_ones_of_the_table_in_order(pages: int, wanted: int, rng: Random) -> None:
    found = places(pages, 8192, wanted, rng)
    assert found == sorted(set(found))
    assert len(found) == min(wanted, pages * 291)
    assert all(0 <= page < pages and 1 <= place <= 291 for page, place in found)


def test_all_places_of_a_small_table_are_drawn_and_never_too_many_of_a_large_one() -> None:
    assert len(places(3, 8192, 10**6, Random(1))) == 3 * 291
    assert len(places(10**6, 8192, 10**9, Random(1))) == MOST_PLACES


def test_each_place_is_as_likely_as_any_other() -> None:
    rng, drawn = Random(7), Counter[tuple[int, int]]()
    for _ in range(2000):
        drawn.update(places(2, 8192, 58, rng))
    expected = 2000 * 58 / 582
    spread = sum((drawn[page, place] - expected) ** 2 / expected for page in range(2) for place in range(1, 292))
    assert len(drawn) == 582
    assert spread < 720  # chi-squared of 581 degrees of freedom, one in ten thousand


@given(st.integers(1, MOST_ROWS), st.floats(0, 1))
def test_more_places_are_drawn_where_fewer_rows_can_be_checked(rows: int, share: float) -> None:
    assert places_for(rows, 1.0) <= places_for(rows, share) <= 20 * places_for(rows, 1.0)


@given(st.lists(st.integers(), unique=True), st.integers(0, 50), SEEDS)
def test_some_are_different_ones_of_them(rows: list[int], wanted: int, rng: Random) -> None:
    found = some(rows, wanted, rng)
    assert len(found) == len(set(found)) == min(wanted, len(rows))
    assert set(found) <= set(rows)
