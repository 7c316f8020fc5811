"""The forecast against figures that were reckoned by hand: 3,150,000 wallets at 26 units a call."""

from __future__ import annotations

import json

import pytest

from actors.budget.forecast import Sweep, demand, forecast
from actors.budget.governor import SWEEP_SHARE
from actors.budget.month import DAY, MONTH
from actors.budget.prices import Prices
from actors.pace import Pace, pace

ROWS = 3_150_000
ALCHEMY = Prices("alchemy", default=20, window_secs=10, methods={"eth_call": 26})
INF = float("inf")


def test_the_first_seeds_default_takes_22_days() -> None:
    found = forecast(Sweep(ROWS, Pace(50, 30), 200), ALCHEMY, INF)
    assert (found.calls, found.units) == (63_000, 1_638_000)
    assert found.secs == pytest.approx(21.9 * DAY, rel=0.01)
    assert found.units_a_month == round(1_638_000 * MONTH / (63_000 * 30))
    assert (found.limited_by, found.meets_target, found.least_secs) == ("interval_secs", None, None)


@pytest.mark.parametrize(("wallets", "units", "secs"), [(50, 1_638_000, 83 * 60), (200, 409_500, 20.7 * 60), (5000, 16_380, 50)])
def test_as_fast_as_330_units_a_second_let_it(wallets: int, units: int, secs: float) -> None:
    found = forecast(Sweep(ROWS, Pace(wallets, 0.001), wallets), ALCHEMY, 330)
    assert found.units == units
    assert found.least_secs == found.secs == pytest.approx(secs, rel=0.02)
    assert found.limited_by == "budget"


def test_a_tick_of_many_calls_costs_many() -> None:
    found = forecast(Sweep(1000, Pace(500, 30), 200), ALCHEMY, INF)
    assert (found.calls, found.units) == (6, 6 * 26)


def test_pins_that_are_asked_for_cost_too() -> None:
    found = forecast(Sweep(100, Pace(50, 30), 200, headers_per_call=2), ALCHEMY, INF)
    assert (found.calls, found.units) == (6, 2 * (26 + 2 * 20))


def test_a_target_is_met_unless_the_budget_is_too_small_for_it() -> None:
    paced = pace(ROWS, DAY, 30, 50)
    rich = forecast(Sweep(ROWS, paced, 5000, target_age_secs=DAY), ALCHEMY, INF)
    assert (rich.meets_target, rich.limited_by) == (True, "target_age_secs")
    poor = forecast(Sweep(ROWS, paced, 5000, target_age_secs=DAY), ALCHEMY, 0.1)
    assert (poor.meets_target, poor.limited_by) == (False, "budget")


def test_sweeps_of_one_chain_share_its_budget_and_are_slowed_alike_where_it_is_not_enough() -> None:
    sweeps = [Sweep(ROWS, Pace(5000, 60), 5000), Sweep(ROWS // 10, Pace(1000, 6), 1000)]
    one, other = (demand(sweep, ALCHEMY) for sweep in sweeps)
    assert (one, other) == (26 / 60, 26 / 6)
    for per_sec, slower in ((one + other, 1), ((one + other) / 3, 3), (100, 1), (INF, 1)):
        found = [forecast(sweep, ALCHEMY, per_sec, others=beside) for sweep, beside in zip(sweeps, (other, one), strict=True)]
        for each, sweep in zip(found, sweeps, strict=True):
            assert each.secs == pytest.approx(slower * sweep.pace.lap_secs(sweep.rows))
        assert sum(each.units_a_month for each in found) == pytest.approx((one + other) / slower * MONTH)
    assert forecast(Sweep(0, Pace(50, 30), 200), ALCHEMY, INF, others=one).secs == 0
    assert forecast(Sweep(0, Pace(50, 30), 200), ALCHEMY, 0, others=one).units_a_month == 0


def test_the_budget_that_a_target_needs_is_for_the_chains_other_sweeps_as_well() -> None:
    sweep = Sweep(ROWS, pace(ROWS, DAY, 30, 50), 5000, target_age_secs=DAY)
    alone, beside = forecast(sweep, ALCHEMY, INF), forecast(sweep, ALCHEMY, INF, others=100.0)
    assert beside.target_units_a_month == alone.target_units_a_month
    assert (beside.needs_units_per_month or 0) - (alone.needs_units_per_month or 0) == 100 * MONTH
    enough = SWEEP_SHARE * (beside.needs_units_per_sec or 0)
    assert forecast(sweep, ALCHEMY, enough, others=100.0).meets_target
    assert not forecast(sweep, ALCHEMY, enough * 0.8, others=100.0).meets_target


def test_a_budget_that_leaves_nothing_means_never() -> None:
    found = forecast(Sweep(ROWS, Pace(50, 30), 200, target_age_secs=DAY), ALCHEMY, 0)
    assert (found.secs, found.units_a_month, found.meets_target) == (None, 0, False)
    json.dumps(found.shown("AUDIO"), allow_nan=False)


def test_an_empty_table_takes_nothing() -> None:
    found = forecast(Sweep(0, Pace(50, 30), 200), ALCHEMY, 0)
    assert (found.calls, found.units, found.secs, found.units_a_month) == (0, 0, 0, 0)


def test_what_a_target_would_cost_is_said_whether_or_not_it_can_be_met() -> None:
    paced = pace(ROWS, DAY, 30, 50)
    for per_sec in (INF, 0.1):
        found = forecast(Sweep(ROWS, paced, 5000, target_age_secs=DAY), ALCHEMY, per_sec, live_units_a_month=1_000_000)
        assert found.target_units_a_month == pytest.approx(found.units * 30 / 0.9, rel=0.01)
        assert found.needs_units_per_month == (found.target_units_a_month or 0) + 1_000_000
    enough = SWEEP_SHARE * (found.needs_units_per_sec or 0)
    assert forecast(Sweep(ROWS, paced, 5000, target_age_secs=DAY), ALCHEMY, enough).meets_target
    aimless = forecast(Sweep(ROWS, paced, 5000), ALCHEMY, INF)
    assert (aimless.target_units_a_month, aimless.needs_units_per_sec, aimless.needs_units_per_month) == (None, None, None)
