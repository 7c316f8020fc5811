"""What refusals teach: the rate falls at once and rises slowly."""

from __future__ import annotations

import pytest

from actors.budget.ceiling import FALL, RISES_IN_SECS, Ceiling

INF = float("inf")


def ceiling(limit: float = INF, floor: float = 5) -> Ceiling:
    return Ceiling(limit, floor, window_secs=1)


def test_without_refusals_it_is_the_operators_limit_or_none() -> None:
    assert (ceiling().at(0), ceiling(300).at(0)) == (INF, 300)


def test_a_refusal_lowers_the_rate_below_that_at_which_it_came() -> None:
    learned = ceiling()
    learned.refused(0, 100)
    assert learned.at(0) == FALL * 100


def test_it_rises_slowly_and_is_forgotten_when_nobody_refuses_for_long() -> None:
    learned = ceiling()
    learned.refused(0, 100)
    rates = [learned.at(secs) for secs in (0, 10, 30, 36, 60)]
    assert rates == sorted(rates)
    assert rates[3] == pytest.approx(100)
    assert learned.at(2 * RISES_IN_SECS) == INF


def test_it_never_rises_above_the_operators_limit() -> None:
    learned = ceiling(limit=90)
    learned.refused(0, 100)
    assert learned.at(0) == pytest.approx(FALL * 90)
    assert learned.at(3600) == 90


def test_calls_that_are_refused_together_count_as_one() -> None:
    learned = ceiling()
    for now in (0.0, 0.1, 0.5, 0.9):
        learned.refused(now, 100)
    assert learned.at(0.9) < 75
    learned.refused(2.0, 100)
    assert learned.at(2.0) == pytest.approx(FALL * FALL * 100, rel=0.05)


def test_live_calls_always_have_a_few_a_second() -> None:
    learned = ceiling(floor=5)
    for now in range(0, 100, 2):
        learned.refused(now, 0.1)
    assert learned.at(98) == 5


def test_a_limit_below_the_floor_is_kept() -> None:
    assert ceiling(limit=2, floor=5).at(0) == 2
