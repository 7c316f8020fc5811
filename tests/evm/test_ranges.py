"""How the range of blocks finds its size, and how several under way at once come out in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.evm.ranges import FIRST_BLOCKS, HINT_HOLDS, LOGS_AT_ONCE, Range, Ranges, RangeSize


def grown(most: int) -> RangeSize:
    """A size that no refusal has held back."""
    size = RangeSize(most)
    while size.current < most:
        size.accepted(size.current)
    return size


def test_a_range_begins_small_and_doubles_until_the_first_refusal() -> None:
    size, seen = RangeSize(9000), []
    for _ in range(8):
        seen.append(size.current)
        size.accepted(size.current)
    assert seen == [FIRST_BLOCKS, 200, 400, 800, 1600, 3200, 6400, 9000]
    size.refused(9000)
    size.accepted(4500)
    assert size.current == 5625


def test_a_range_halves_where_the_refusal_names_no_size() -> None:
    size = grown(9000)
    size.refused(9000)
    assert size.current == 4500


@pytest.mark.parametrize("hint", [9000, 10_000, 0, -5])
def test_a_hint_that_would_not_shrink_the_range_is_not_believed(hint: int) -> None:
    size = grown(9000)
    size.refused(9000, hint)
    assert size.current == 4500


def test_a_range_takes_the_size_that_the_refusal_names_and_stays_there_for_a_while() -> None:
    size = grown(9000)
    size.refused(9000, 10)
    for _ in range(HINT_HOLDS - 1):
        size.accepted(10)
        assert size.current == 10
    size.accepted(10)
    assert size.current == 12


def test_several_refusals_of_ranges_that_were_under_way_together_are_one() -> None:
    size = grown(9000)
    for _ in range(4):
        size.refused(9000, 10)
    assert size.current == 10
    size = grown(9000)
    for _ in range(4):
        size.refused(9000)
    assert size.current == 4500


def test_a_short_range_that_goes_through_says_nothing_about_longer_ones() -> None:
    size = RangeSize(9000)
    for _ in range(50):
        size.accepted(FIRST_BLOCKS - 1)
    assert size.current == FIRST_BLOCKS


def test_a_range_shrinks_to_what_answers_with_as_many_logs_as_are_wanted_at_once() -> None:
    size = grown(8000)
    size.accepted(8000, 4 * LOGS_AT_ONCE)
    assert size.current == 2000
    size.accepted(1, 10 * LOGS_AT_ONCE)
    assert size.current == 1


def test_a_range_grows_again_up_to_its_bound() -> None:
    size = RangeSize(9000)
    for _ in range(30):
        size.refused(size.current)
    assert size.current == 1
    seen = []
    for _ in range(60):
        size.accepted(size.current)
        seen.append(size.current)
    assert seen[:4] == [2, 3, 4, 5]
    assert seen == sorted(seen)
    assert size.current == 9000


@given(
    st.integers(1, 10_000),
    st.lists(st.tuples(st.booleans(), st.integers(1, 10_000), st.none() | st.integers(-1, 20_000))),
)
def test_a_range_never_leaves_its_bounds(most: int, told: list[tuple[bool, int, int | None]]) -> None:
    size = RangeSize(most)
    for good, asked, number in told:
        before = size.current
        if good:
            size.accepted(asked, max(0, number or 0))
        else:
            size.refused(asked, number)
            assert size.current < asked or asked == 1
            assert size.current <= before
        assert 1 <= size.current <= most


@given(st.data(), st.integers(0, 50), st.integers(0, 300), st.integers(1, 60))
def test_answers_are_taken_whole_and_in_order_whatever_comes_first_or_is_refused(
    data: st.DataObject, first: int, blocks: int, most: int
) -> None:
    last, taken = first + blocks - 1, list[Range]()
    ranges = Ranges[Range](first, last, RangeSize(most))
    under_way: list[Range] = []
    answered: set[Range] = set()
    while not ranges.done:
        while len(under_way) < 4 and (asked := ranges.ask()) is not None:
            below = [one for one in (*under_way, *answered) if ranges.next_block <= one[0] < asked[0]]
            assert sum(end - start + 1 for start, end in below) == asked[0] - ranges.next_block, "lower blocks were left out"
            under_way.append(asked)
        asked = under_way.pop(data.draw(st.integers(0, len(under_way) - 1)))
        if asked[0] < asked[1] and data.draw(st.integers(0, 3)) == 0:
            ranges.size.refused(asked[1] - asked[0] + 1)
            ranges.give_back(asked)
        else:
            ranges.answered(asked, asked)
            answered.add(asked)
        while (answer := ranges.take()) is not None:
            taken.append(answer)
    assert not under_way
    assert not ranges.waiting
    assert ranges.ask() is None
    assert [block for one in taken for block in range(one[0], one[1] + 1)] == list(range(first, last + 1))


def test_what_one_block_held_bounds_the_first_range() -> None:
    size = RangeSize(9000)
    size.saw(1, 2000)
    assert size.current == LOGS_AT_ONCE // 2000
    size.saw(1, 0)
    assert size.current == LOGS_AT_ONCE // 2000


def test_another_bound_holds_from_the_next_range_on_and_forgets_no_refusal() -> None:
    size = grown(9000)
    size.at_most(50)
    assert size.current == 50
    size.at_most(400)
    for wanted in (100, 200, 400, 400):
        size.accepted(size.current)
        assert size.current == wanted
    size.refused(400, 10)
    size.at_most(9000)
    size.accepted(10)
    assert size.current == 10  # a provider's own limit
    size.at_most(4)
    assert size.current == 4


def test_a_bound_that_falls_and_rises_again_leaves_what_a_refusal_has_taught() -> None:
    size = RangeSize(9000)
    size.refused(100, 50)
    size.at_most(40)
    size.at_most(9000)
    for _ in range(5):
        size.accepted(size.current)
    assert size.current == 50


def test_the_same_bound_again_changes_nothing() -> None:
    size = RangeSize(9000)
    size.refused(100, 30)
    for _ in range(HINT_HOLDS + 5):
        size.at_most(9000)
        size.accepted(size.current)
    assert size.current > 30
