"""Wrong rows in a million, with the bounds of what a sample tells."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.audit.rate import MILLION, rate

COUNTS = st.integers(1, 10**9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


def found(wrong: int, checked: int) -> tuple[float, float, float]:
    it = rate(wrong, checked)
    assert it is not None
    return it.low, it.per_million, it.high


@given(COUNTS)
def test_what_was_found_lies_within_its_bounds(counts: tuple[int, int]) -> None:
    low, per_million, high = found(*counts)
    assert 0 <= low <= per_million <= high <= MILLION
    assert low < high


@given(COUNTS, st.integers(2, 100))
def test_more_rows_of_the_same_share_tell_more(counts: tuple[int, int], times: int) -> None:
    wrong, checked = counts
    low, _, high = found(wrong, checked)
    closer_low, _, closer_high = found(wrong * times, checked * times)
    assert low <= closer_low + 1e-6
    assert closer_high <= high + 1e-6
    assert closer_high - closer_low < high - low


@given(COUNTS)
def test_right_and_wrong_mirror_each_other(counts: tuple[int, int]) -> None:
    wrong, checked = counts
    low, _, high = found(wrong, checked)
    other_low, _, other_high = found(checked - wrong, checked)
    assert low == pytest.approx(MILLION - other_high, abs=1e-3)
    assert high == pytest.approx(MILLION - other_low, abs=1e-3)


@given(st.integers(30, 10**8))
def test_no_wrong_row_of_many_leaves_about_three_of_them_possible(checked: int) -> None:
    low, per_million, high = found(0, checked)
    assert low == per_million == 0
    assert 3 <= high / MILLION * checked <= 4


@pytest.mark.parametrize(("wrong", "checked", "low", "high"), [(1, 10, 0.01787, 0.40415), (50, 50_000, 0.000759, 0.001318), (5, 5, 0.56552, 1.0)])
def test_the_bounds_are_those_of_the_textbook(wrong: int, checked: int, low: float, high: float) -> None:
    assert [bound / MILLION for bound in found(wrong, checked)[::2]] == [pytest.approx(low, abs=2e-5), pytest.approx(high, abs=2e-5)]


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_truth_is_within_in_about_nineteen_samples_of_twenty(share: float) -> None:
    n = 200
    covered = sum(
        comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1) if found(k, n)[0] <= share * MILLION <= found(k, n)[2]
    )
    assert 0.92 < covered < 0.98


def test_of_nothing_nothing_is_known() -> None:
    assert rate(0, 0) is None
