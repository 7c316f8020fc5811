"""The provider's month, and the sweep's share of its cap."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.budget.month import DAY, HOUR, LONGEST_WAIT_SECS, Allowance, MonthSpent, live_rate, month_of, sweep_rate, units_by_end

WHOLE = 30 * DAY
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1))


@pytest.mark.parametrize(
    ("now", "starts_on", "begins", "ends"),
    [
        (datetime(2026, 11, 21, 5), 1, datetime(2026, 11, 1), datetime(2026, 12, 1)),
        (datetime(2026, 12, 31, 23, 59, 59), 1, datetime(2026, 12, 1), datetime(2027, 1, 1)),
        (datetime(2026, 1, 14), 15, datetime(2025, 12, 15), datetime(2026, 1, 15)),
        (datetime(2026, 1, 15), 15, datetime(2026, 1, 15), datetime(2026, 2, 15)),
        (datetime(2028, 2, 29), 28, datetime(2028, 2, 28), datetime(2028, 3, 28)),
    ],
)
def test_a_month_begins_at_midnight_of_the_providers_day(now: datetime, starts_on: int, begins: datetime, ends: datetime) -> None:
    assert month_of(now, starts_on) == (begins, ends)


@given(MOMENTS, st.integers(1, 28))
def test_every_moment_is_in_one_month_and_the_next_begins_where_it_ends(now: datetime, starts_on: int) -> None:
    begins, ends = month_of(now, starts_on)
    assert begins <= now < ends
    assert month_of(ends, starts_on)[0] == ends
    assert month_of(begins - timedelta(microseconds=1), starts_on)[1] == begins


def test_a_month_will_have_cost_what_was_spent_and_live_events_and_sweeps_until_its_end() -> None:
    spent = MonthSpent(units=500, live_units=200, live_secs=10 * DAY, secs_left=20 * DAY)
    assert units_by_end(spent, 0) == 500 + 20 * 20
    assert units_by_end(spent, sweeps_a_month=3000) == 500 + 20 * 20 + 20 * 100
    assert units_by_end(MonthSpent(500, 200, 30 * DAY, 0), 3000) == 500


def test_what_is_left_is_spread_over_the_time_that_is_left() -> None:
    assert sweep_rate(1_000_000, MonthSpent(0, 0, 0, WHOLE)) == 1_000_000 / WHOLE
    assert sweep_rate(1_000_000, MonthSpent(600_000, 0, 20 * DAY, 10 * DAY)) == 400_000 / (10 * DAY)


def test_live_events_keep_what_they_will_take_till_the_months_end() -> None:
    spent = MonthSpent(units=600_000, live_units=200_000, live_secs=20 * DAY, secs_left=10 * DAY)
    assert sweep_rate(1_000_000, spent) == pytest.approx((400_000 - 100_000) / (10 * DAY))


def test_nothing_is_left_to_the_sweep_where_live_events_need_it_all() -> None:
    assert sweep_rate(1_000_000, MonthSpent(900_000, 900_000, 20 * DAY, 10 * DAY)) == 0
    assert sweep_rate(1_000_000, MonthSpent(2_000_000, 0, 20 * DAY, 10 * DAY)) == 0


def test_the_last_minutes_of_a_month_are_no_reason_to_rush() -> None:
    assert sweep_rate(1_000_000, MonthSpent(0, 0, WHOLE, 1)) == 1_000_000 / HOUR


def test_a_first_hour_of_live_events_does_not_stand_for_the_month() -> None:
    assert live_rate(MonthSpent(0, 1000, 60, WHOLE)) == 1000 / DAY


@settings(deadline=None, max_examples=30)
@given(live_a_day=st.integers(0, 20_000), cap=st.integers(100_000, 1_000_000))
def test_a_greedy_sweep_slows_before_the_cap_and_does_not_reach_it(live_a_day: int, cap: int) -> None:
    """A month in steps of an hour; the sweep takes whatever it may."""
    allowance, sweep, live, rates = Allowance(), 0.0, 0.0, []
    for hour in range(30 * 24):
        now = hour * HOUR
        spent = MonthSpent(int(sweep + live), int(live), now, WHOLE - now)
        allowance.set_rate(now, sweep_rate(cap, spent))
        rates.append(allowance.rate)
        taken = 0
        while allowance.delay(now) == 0 and taken < cap:
            taken += 26
            allowance.take(now, 26)
        sweep += taken
        live += live_a_day / 24
    if live_a_day * 30 < 0.9 * cap:
        assert 0.98 * cap < sweep + live <= cap + 26
        assert rates[-24] > 0
    else:
        assert sweep < 0.2 * cap


def test_an_hours_worth_may_be_spent_at_once_and_then_it_comes_at_its_rate() -> None:
    allowance = Allowance()
    allowance.set_rate(0, 2.0)
    taken = 0
    while allowance.delay(0) == 0:
        taken += 10
        allowance.take(0, 10)
    assert taken == 2 * HOUR
    assert allowance.delay(0) == pytest.approx(0.5)
    assert allowance.delay(1) == 0


def test_with_a_rate_of_nothing_it_is_asked_again_after_a_while() -> None:
    allowance = Allowance()
    allowance.set_rate(0, 0.0)
    assert allowance.delay(100) == LONGEST_WAIT_SECS
    allowance.set_rate(100, 1.0)
    assert 0 < allowance.delay(100) <= 1
