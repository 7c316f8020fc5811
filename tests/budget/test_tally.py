"""What is not in Postgres yet: nothing is lost, and nothing is counted twice, whatever comes while it is written."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from actors.budget.tally import Spent, Tally

CALLS = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["eth_call", "eth_getLogs"]), st.integers(0, 100)), max_size=20)


@given(st.lists(st.tuples(CALLS, CALLS, st.booleans()), max_size=6))
def test_what_was_written_and_what_is_left_are_all_that_was_spent(
    rounds: list[tuple[list[tuple[str, str, int]], list[tuple[str, str, int]], bool]],
) -> None:
    tally, written, spent = Tally(), Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    for before, meanwhile, commits in rounds:
        for actor, method, units in before:
            tally.add(actor, method, units)
            spent[actor, method] += units
        taken = tally.unsaved()
        for actor, method, units in meanwhile:
            tally.add(actor, method, units)
            spent[actor, method] += units
        if commits:
            tally.saved(taken)
            written.update({key: each.units for key, each in taken.items()})
    left = {key: each.units for key, each in tally.unsaved().items()}
    assert written + Counter(left) == +spent
    assert tally.units == sum(left.values())


def test_a_free_call_is_counted_and_written_once() -> None:
    tally = Tally()
    tally.add("subscriber", "eth_chainId", 0)
    assert tally.unsaved() == {("subscriber", "eth_chainId"): Spent(1, 0)}
    tally.saved(tally.unsaved())
    assert tally.unsaved() == {}
