"""How many crashes are too many, and how long to wait after one."""

from __future__ import annotations

from actors.restarts import Backoff, RestartBudget


def test_the_budget_counts_a_crash_before_it_compares() -> None:
    budget = RestartBudget(2, 10)
    assert [budget.allows(now) for now in (0, 1, 2)] == [True, True, False]


def test_the_budget_forgets_crashes_older_than_the_period() -> None:
    budget = RestartBudget(1, 10)
    assert [budget.allows(now) for now in (0, 11, 22, 23)] == [True, True, True, False]


def test_another_bound_counts_what_was_counted_before() -> None:
    budget = RestartBudget(5, 100)
    assert [budget.allows(now) for now in range(4)] == [True] * 4
    budget.tune(4, 2)
    assert [budget.allows(now) for now in (4, 5, 6)] == [True] * 3
    budget.tune(2, 100)
    assert not budget.allows(7)


def test_the_backoff_doubles_to_its_bound_and_begins_anew_after_health() -> None:
    backoff = Backoff(0.1, 0.5)
    assert [backoff.after(0) for _ in range(4)] == [0.1, 0.2, 0.4, 0.5]
    assert backoff.after(10) == 0.1
