"""What calls have cost, by day: held by real Postgres and by the simulation's double."""

from __future__ import annotations

from datetime import timedelta

from actors.budget.month import DAY, MonthSpent
from actors.budget.tally import Key, Spent
from actors.store import spend
from tests.simulation.tables import BEGAN
from tests.store.double_postgres import a_conn, a_side  # noqa: F401  # fixtures
from tests.store.double_sides import Side

JANUARY = 31 * DAY
LIVE: dict[Key, Spent] = {("batcher", "eth_call"): Spent(2, 52)}
SWEEP: dict[Key, Spent] = {("sweeper", "eth_call"): Spent(1, 26)}


def book(side: Side, spent: dict[Key, Spent], chain: str = "ethereum", starts_on: int = 1) -> MonthSpent:
    """One booking."""
    return side.run(spend.book, chain, spent, starts_on)


def test_a_chain_that_has_spent_nothing_has_its_whole_month(side: Side) -> None:
    assert book(side, {}) == MonthSpent(0, 0, 0, JANUARY)
    assert side.contents()["spend"] == {}


def test_bookings_of_several_processes_add_up_in_one_row_a_day_actor_and_method(side: Side) -> None:
    book(side, LIVE)
    book(side, LIVE | SWEEP)
    today = BEGAN.date()
    assert side.contents()["spend"] == {
        ("ethereum", today, "batcher", "eth_call"): (4, 104),
        ("ethereum", today, "sweeper", "eth_call"): (1, 26),
    }


def test_it_says_what_all_have_spent_and_how_much_of_it_was_live(side: Side) -> None:
    book(side, LIVE)
    side.pass_time(3 * DAY)
    assert book(side, SWEEP) == MonthSpent(78, 52, 3 * DAY, JANUARY - 3 * DAY)


def test_a_backfill_and_an_audit_say_nothing_of_what_live_events_will_take(side: Side) -> None:
    book(side, LIVE | {("backfill", "eth_getLogs"): Spent(9, 675), ("audit", "eth_call"): Spent(1, 26)})
    found = book(side, {})
    assert (found.units, found.live_units) == (753, 52)


def test_chains_have_budgets_of_their_own(side: Side) -> None:
    book(side, LIVE)
    assert book(side, SWEEP, chain="base").units == 26


def test_a_new_month_begins_with_nothing_and_the_days_before_stay(side: Side) -> None:
    book(side, LIVE)
    side.pass_time(JANUARY + 10)
    assert book(side, SWEEP) == MonthSpent(26, 0, 10, 28 * DAY - 10)
    assert len(side.contents()["spend"]) == 2


def test_the_providers_month_may_begin_on_another_day(side: Side) -> None:
    book(side, LIVE)
    side.pass_time(13 * DAY)
    assert book(side, {}, starts_on=15) == MonthSpent(52, 52, 13 * DAY, DAY)
    side.pass_time(DAY)
    assert book(side, {}, starts_on=15) == MonthSpent(0, 0, 0, JANUARY)


def test_what_was_spent_by_day_is_of_all_actors_and_of_the_latest_days(side: Side) -> None:
    assert side.run(spend.by_day, "ethereum", 31) == []
    book(side, LIVE | SWEEP)
    side.pass_time(2 * DAY)
    book(side, SWEEP)
    book(side, LIVE, chain="base")
    days = [BEGAN.date().isoformat(), (BEGAN + timedelta(days=2)).date().isoformat()]
    both = [{"day": days[0], "calls": 3, "units": 78}, {"day": days[1], "calls": 1, "units": 26}]
    assert side.run(spend.by_day, "ethereum", 31) == both
    assert side.run(spend.by_day, "ethereum", 2) == both[1:]
