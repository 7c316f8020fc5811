"""Who may spend when: live events before the sweep, the sweep what they leave, and neither more than the provider takes."""

from __future__ import annotations

import pytest

from actors.budget.governor import SWEEP_SHARE, Governor
from actors.budget.month import DAY, HOUR, MonthSpent
from actors.budget.prices import Prices

ALCHEMY = Prices("alchemy", default=20, window_secs=10, units_per_window=5000, methods={"eth_call": 26})


class Clock:
    """A monotonic clock that stands still."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def governor(clock: Clock, limit: int = 0, cap: int = 0) -> Governor:
    return Governor(ALCHEMY, limit, cap, clock)


def spend_till(governor: Governor, window: int, live: bool = False) -> None:
    while governor.window_units < window:
        governor.spend(26, live)


def test_without_limits_nobody_waits(clock: Clock) -> None:
    free = governor(clock)
    spend_till(free, 1_000_000)
    assert (free.live_secs(26), free.hold().secs) == (0, 0)


def test_the_sweep_leaves_a_share_of_the_window_to_live_events(clock: Clock) -> None:
    limited = governor(clock, limit=300)
    while limited.hold().secs == 0:
        limited.spend(26, live=False)
    assert limited.window_units == pytest.approx(SWEEP_SHARE * 3000, abs=26)
    assert limited.live_secs(26) == 0
    assert limited.hold().why == "window"


def test_live_events_wait_for_the_window_alone_and_spend_all_of_it(clock: Clock) -> None:
    limited = governor(clock, limit=300)
    while limited.live_secs(26) == 0:
        limited.spend(26, live=True)
    assert 3000 - 26 < limited.window_units <= 3000
    clock.now += limited.live_secs(26)
    assert limited.live_secs(26) == 0
    assert clock.now == pytest.approx(110, abs=0.3)


def test_a_call_that_is_larger_than_the_window_goes_when_that_is_empty(clock: Clock) -> None:
    small = governor(clock, limit=1)
    assert small.live_secs(26) == 0
    small.spend(26, live=True)
    assert small.live_secs(26) > 0


def test_the_sweep_waits_while_a_live_call_does(clock: Clock) -> None:
    limited = governor(clock, limit=300)
    limited.live_waiting = 1
    assert limited.hold().why == "live"
    limited.live_waiting = 0
    assert limited.hold().secs == 0


def test_a_refusal_lowers_the_rate_for_all_and_retry_after_pauses_the_sweep(clock: Clock) -> None:
    taught = governor(clock)
    spend_till(taught, 5000)
    taught.refused(7.0)
    assert taught.units_per_sec == pytest.approx(350, rel=0.01)
    assert taught.live_secs(26) > 0
    assert taught.hold().secs >= 7
    clock.now += 30
    assert taught.hold().secs == 0
    assert 350 < taught.units_per_sec < 500


def test_retry_after_of_a_day_is_asked_again_within_the_hour(clock: Clock) -> None:
    taught = governor(clock)
    taught.refused(86_400.0)
    assert (taught.hold().why, taught.hold().secs) == ("retry-after", HOUR)


def test_with_a_cap_the_sweep_waits_until_the_month_is_known_and_live_events_do_not(clock: Clock) -> None:
    capped = governor(clock, cap=1_000_000)
    assert capped.hold().why == "month"
    assert capped.live_secs(26) == 0
    capped.booked(MonthSpent(0, 0, 0, 30 * DAY))
    assert capped.hold().secs == 0


def test_at_the_cap_the_sweep_stops_and_live_events_go_on(clock: Clock) -> None:
    capped = governor(clock, cap=1000)
    capped.booked(MonthSpent(1000, 400, 10 * DAY, 20 * DAY))
    assert capped.hold().why == "month"
    assert capped.live_secs(26) == 0
    capped.booked(MonthSpent(0, 0, 0, 31 * DAY))
    clock.now += HOUR
    assert capped.hold().secs == 0


def test_what_is_spent_since_is_part_of_the_month_at_once(clock: Clock) -> None:
    capped = governor(clock, cap=1_000_000)
    capped.booked(MonthSpent(500, 0, 0, 30 * DAY))
    capped.spend(26, live=True)
    clock.now += 60
    assert capped.month == MonthSpent(526, 0, 0, 30 * DAY - 60)


def test_the_sweeps_rate_is_the_least_of_what_bounds_it(clock: Clock) -> None:
    assert governor(clock).sweep_per_sec == SWEEP_SHARE * 500  # as the provider states
    assert governor(clock, limit=300).sweep_per_sec == SWEEP_SHARE * 300
    assert Governor(Prices(), 0, 0, clock).sweep_per_sec == float("inf")
    capped = governor(clock, cap=1_000_000)
    capped.booked(MonthSpent(0, 0, 0, 30 * DAY))
    assert capped.sweep_per_sec == pytest.approx(1_000_000 / (30 * DAY))


def test_another_limit_counts_what_was_spent_before_and_keeps_what_was_learned(clock: Clock) -> None:
    tuned = governor(clock)
    spend_till(tuned, 3000)
    tuned.tune(ALCHEMY, 200, 0)
    assert tuned.live_secs(26) > 0
    clock.now += 11
    assert tuned.live_secs(26) == 0
    spend_till(tuned, 2000)
    tuned.refused(None)
    learned = tuned.units_per_sec
    tuned.tune(ALCHEMY, 0, 0)
    assert tuned.units_per_sec == learned < 200


def test_other_prices_forget_what_was_learned_in_other_units_and_keep_the_window_full(clock: Clock) -> None:
    tuned = governor(clock, limit=300)
    spend_till(tuned, 3000)
    tuned.refused(None)
    tuned.tune(Prices("plain"), 300, 0)
    assert (tuned.units_per_sec, tuned.window_units) == (300, 3016)
    clock.now += 1.1  # its own window
    assert tuned.window_units == 0


def test_another_cap_holds_at_once_where_the_month_is_known(clock: Clock) -> None:
    tuned = governor(clock)
    tuned.booked(MonthSpent(1000, 0, 10 * DAY, 20 * DAY))
    for cap, why in ((1000, "month"), (10**9, ""), (900, "month"), (0, "")):
        tuned.tune(ALCHEMY, 0, cap)
        clock.now += 1
        assert (tuned.hold().secs > 0 and tuned.hold().why) == (why or False)
