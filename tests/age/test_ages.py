"""Percentiles and histograms from counts by age, against the ages themselves."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.age.ages import BOUNDS, QUANTILES, Ages, bucket_of

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
seconds = st.lists(st.floats(1.0, 1e9), min_size=1, max_size=200)


def ages_of(ages: list[float], rows: int | None = None) -> Ages:
    return Ages(tuple(sorted(Counter(map(bucket_of, ages)).items())), rows or len(ages), 0, max(ages), rows is not None)


@given(seconds, st.sampled_from(QUANTILES))
def test_a_percentile_is_right_to_one_percent_of_the_age(ages: list[float], share: float) -> None:
    exact = sorted(ages)[math.ceil(share * len(ages)) - 1]
    assert ages_of(ages).quantile(share) == pytest.approx(exact, rel=0.0101)


@given(seconds)
def test_percentiles_rise_and_none_is_above_the_maximum(ages: list[float]) -> None:
    found = ages_of(ages)
    shown = [found.quantile(share) or 0.0 for share in QUANTILES]
    assert shown == sorted(shown)
    assert shown[-1] <= max(ages)


@given(seconds, st.integers(1, 10**9))
def test_every_row_is_in_one_bar_of_the_histogram_also_where_a_sample_stands_for_all(ages: list[float], rows: int) -> None:
    bars = ages_of(ages, rows).histogram()
    assert [bar["le_secs"] for bar in bars] == [*BOUNDS, None]
    assert sum(bar["rows"] for bar in bars) == pytest.approx(rows, abs=len(bars))


def test_a_bar_holds_what_is_older_than_the_one_before() -> None:
    bars = {bar["le_secs"]: bar["rows"] for bar in ages_of([30, 30, 200, 4000, 90 * 86_400]).histogram()}
    assert {le: rows for le, rows in bars.items() if rows} == {60: 2, 300: 1, 3 * 3600: 1, None: 1}


def test_what_was_not_measured_is_null_and_no_0() -> None:
    shown = Ages(max_secs=5.0).shown(AT)
    assert (shown["p50_secs"], shown["p99_secs"], shown["max_secs"]) == (None, None, 5.0)
    assert Ages().shown(AT)["max_secs"] is None


def test_the_status_has_the_agreed_shape() -> None:
    shown = Ages(((bucket_of(100), 4),), 4_000_000, 7, 101.0, True).shown(AT)
    assert list(shown) == ["rows", "sampled", "p50_secs", "p90_secs", "p99_secs", "max_secs", "placeholders", "at", "histogram"]
    assert (shown["rows"], shown["sampled"], shown["placeholders"], shown["at"]) == (4_000_000, True, 7, "2026-01-02T03:04:05.000Z")


@given(seconds)
def test_where_the_maximum_is_not_known_the_oldest_row_that_was_counted_stands_for_it(ages: list[float]) -> None:
    found = ages_of(ages)
    assert found.oldest_secs == max(ages)
    assert replace(found, max_secs=None).oldest_secs == pytest.approx(max(ages), rel=0.0101)
    assert Ages(((0, 0),)).oldest_secs is None
