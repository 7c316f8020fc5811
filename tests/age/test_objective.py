"""The objective goes red before a row passes its target, and for nothing else. In virtual time."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from actors.age.ages import Ages
from actors.age.objective import Verdict
from tests.age.table import TARGET, Table

STUCK_FROM = 5000.0
SIZES = [1, 40, 700, 3000, 1_000_000]


def states(table: Table, secs: float) -> list[str]:
    return [verdict.state for _, _, verdict in table.verdicts(secs)]


def first_at_risk(table: Table, secs: float) -> tuple[float, float, Verdict]:
    return next((now, oldest, verdict) for now, oldest, verdict in table.verdicts(secs) if verdict.at_risk)


@pytest.mark.parametrize("rows", SIZES)
def test_a_sweep_that_keeps_its_pace_is_never_at_risk(rows: int) -> None:
    table = Table(rows)
    found = list(table.verdicts(4 * TARGET))
    assert {verdict.state for _, _, verdict in found} == {"met"}
    if rows >= 700:
        assert max(oldest for _, oldest, _ in found) > 0.85 * TARGET, "the sweep was to be no faster than it must"


@pytest.mark.parametrize("rows", SIZES[:-1])
def test_a_table_that_is_old_at_the_start_is_behind_for_one_sweep_with_its_progress_and_not_at_risk(rows: int) -> None:
    table = Table(rows, oldest_secs=10 * TARGET, placeholders=rows // 10)
    found = [verdict for _, _, verdict in table.verdicts(3 * TARGET)]
    seen = [verdict.state for verdict in found]
    assert set(seen) <= {"behind", "met"}
    assert "behind" not in seen[seen.index("met") :]
    shares = [verdict.swept_share or 0.0 for verdict in found if verdict.state == "behind"]
    assert all(after >= before - 0.01 for before, after in pairwise(shares))
    if rows > 1:
        assert seen[0] == "behind"
        assert "of the rows were read since" in (found[0].why or "")


def test_a_table_that_is_still_old_a_whole_target_after_the_start_is_missed() -> None:
    table = Table(700, oldest_secs=10 * TARGET, sweeps=False)
    table.speed = lambda now: 0.0
    seen = states(table, 1.5 * TARGET)
    assert list(dict.fromkeys(seen)) == ["behind", "late", "missed"]
    assert seen.index("missed") == pytest.approx(len(seen) / 1.5, abs=2)


@pytest.mark.parametrize("rows", SIZES[1:])
@pytest.mark.parametrize("speed", [0.0, 0.5, 0.8])
def test_a_sweep_that_becomes_too_slow_is_late_before_any_row_passes_the_target(rows: int, speed: float) -> None:
    table = Table(rows)
    table.speed = lambda now: 1.0 if now < STUCK_FROM else speed
    now, oldest, verdict = first_at_risk(table, 20 * TARGET)
    assert verdict.state == "late"
    assert oldest < TARGET
    assert now >= STUCK_FROM
    assert "the sweep is too slow" in (verdict.why or "")


@pytest.mark.parametrize("speed", [0.0, 0.5, 0.8])
def test_a_sweep_that_is_too_slow_from_the_start_is_late_before_any_row_passes_the_target(speed: float) -> None:
    table = Table(700, oldest_secs=0.5 * TARGET)
    table.speed = lambda now: speed
    _, oldest, verdict = first_at_risk(table, 3 * TARGET)
    assert verdict.state == "late"
    assert oldest < TARGET


def test_a_slow_first_sweep_of_an_old_table_is_late_before_its_time_is_up() -> None:
    table = Table(700, oldest_secs=10 * TARGET)
    table.speed = lambda now: 0.5
    now, _, verdict = first_at_risk(table, 3 * TARGET)
    assert verdict.state == "late"
    assert now < TARGET


def test_a_short_stall_alarms_nobody() -> None:
    table = Table(3000)
    table.speed = lambda now: 0.0 if STUCK_FROM < now < STUCK_FROM + 0.03 * TARGET else 1.0
    assert set(states(table, 4 * TARGET)) == {"met"}


def test_a_sweep_that_recovers_is_met_again() -> None:
    table = Table(3000)
    table.speed = lambda now: 0.0 if STUCK_FROM < now < STUCK_FROM + 0.08 * TARGET else 1.0
    seen = states(table, 5 * TARGET)
    assert "late" in seen
    assert seen[-1] == "met"


@pytest.mark.parametrize("rows", SIZES)
def test_new_addresses_are_no_old_rows(rows: int) -> None:
    table = Table(rows)
    seen = set()
    for _ in range(10):
        table.placeholders += rows // 50
        seen |= set(states(table, 0.3 * TARGET))
    assert seen == {"met"}


def test_a_budget_that_is_too_small_is_named_with_what_it_would_take_before_any_row_is_old() -> None:
    table = Table(700)
    table.meets_target = False
    now, oldest, verdict = first_at_risk(table, TARGET)
    assert verdict.state == "unreachable"
    assert oldest < 0.1 * TARGET
    assert now == pytest.approx(0.05 * TARGET, abs=5)
    assert verdict.why == "a sweep takes 7000 s within the budget, the target is 3600 s: it needs 2 units a second, 5000000 a month"


def test_a_forecast_that_is_bad_for_a_moment_alarms_nobody() -> None:
    table = Table(700)
    for bad in (False, True, False, True):
        table.meets_target = not bad
        assert set(states(table, 0.04 * TARGET)) == {"met"}


def test_a_copy_that_does_not_sweep_says_only_what_it_sees() -> None:
    table = Table(700, sweeps=False)
    table.speed = lambda now: 1.0 if now < STUCK_FROM else 0.0
    found = list(table.verdicts(3 * TARGET))
    assert {verdict.state for _, _, verdict in found} == {"met", "late", "missed"}
    assert all(verdict.at_risk is (oldest >= 0.95 * TARGET) for _, oldest, verdict in found)


def test_rows_whose_maximum_cannot_be_measured_are_no_younger_for_it() -> None:
    table = Table(700)
    table.measured = lambda ages: replace(ages, max_secs=None)
    table.speed = lambda now: 1.0 if now < STUCK_FROM else 0.0
    found = list(table.verdicts(3 * TARGET))
    assert list(dict.fromkeys(verdict.state for _, _, verdict in found)) == ["met", "late", "missed"]
    assert all(verdict.state == "missed" for _, oldest, verdict in found if oldest > 1.01 * TARGET)


@pytest.mark.parametrize("first", [Ages(), Ages(max_secs=10 * TARGET)])
def test_a_table_that_is_old_at_the_start_is_behind_also_where_its_first_measurement_counts_nothing(first: Ages) -> None:
    table = Table(700, oldest_secs=10 * TARGET)
    table.measured = lambda ages: first if table.now < 200 else ages
    assert set(states(table, 3 * TARGET)) <= {"behind", "met"}


@pytest.mark.parametrize("speed", [0.0, 0.5])
def test_a_forecast_of_no_rows_makes_no_table_behind(speed: float) -> None:
    table = Table(20_000, oldest_secs=0.85 * TARGET)
    table.speed, table.uncounted = lambda now: speed, True
    list(table.verdicts(100))
    table.uncounted = False
    # The oldest of a table that is not behind count as what they are, which is sooner than the time since the start.
    now, oldest, verdict = first_at_risk(table, TARGET)
    assert (verdict.state, oldest < TARGET) == ("late", True)
    assert now < 0.5 * TARGET


def test_what_can_never_be_counted_is_missed_a_whole_target_after_the_start() -> None:
    table = Table(700, oldest_secs=10 * TARGET, sweeps=False)
    table.speed, table.uncounted = lambda now: 0.0, True
    assert list(dict.fromkeys(states(table, 1.5 * TARGET))) == ["behind", "late", "missed"]
