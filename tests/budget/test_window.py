"""The rolling window against a plain list of what was spent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.budget.window import SLOTS, Window

SPENDING = st.lists(st.tuples(st.floats(0, 3), st.integers(0, 100)), max_size=60)


def spent(window: Window, spending: list[tuple[float, int]]) -> tuple[float, list[tuple[float, int]]]:
    """Spend after these pauses; the moment of the last, and what was spent when."""
    now, done = 1000.0, []
    for pause, units in spending:
        now += pause
        window.add(now, units)
        done.append((now, units))
    return now, done


@given(SPENDING, st.floats(0, 20))
def test_it_holds_all_that_the_provider_counts_and_forgets_it_soon_after(spending: list[tuple[float, int]], later: float) -> None:
    window = Window(10)
    now, done = spent(window, spending)
    at = now + later
    surely = sum(units for when, units in done if when > at - 10)
    perhaps = sum(units for when, units in done if when > at - 10 * (1 + 1 / SLOTS) - 1e-6)
    assert surely <= window.used(at) <= perhaps


@given(SPENDING, st.floats(0, 1000))
def test_after_the_time_that_it_says_no_more_than_that_is_in_it_and_not_before(
    spending: list[tuple[float, int]], most: float
) -> None:
    window = Window(10)
    now, _ = spent(window, spending)
    secs = window.secs_until(now, most)
    assert (secs == 0) == (window.used(now) <= most)
    if secs:
        assert window.used(now + secs - 1e-3) > most
        assert window.used(now + secs + 1e-9) <= most


def test_its_memory_does_not_grow_with_the_number_of_calls() -> None:
    window = Window(10)
    for step in range(100_000):
        window.add(step / 1000, 1)
    assert len(window._slots) <= SLOTS + 2
