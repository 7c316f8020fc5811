"""The search finds each limit exactly, within few calls, and tells a refusal from another failure."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.doctor.node.search import FACTOR, MOST_LIKELY, MOST_NAMED, Found, Search, Verdict, numbers_in

MOST = 1_000_000
Says = Callable[[int], str]


def silent(size: int) -> str:
    return ""


def bound(most: int) -> int:
    """Growing, halving, and for each guess itself and its neighbour."""
    return math.ceil(math.log(most, FACTOR)) + 2 + math.ceil(math.log2(most)) + 2 * (MOST_LIKELY + MOST_NAMED)


def run(search: Search, limit: int, says: Says = silent, unworded: bool = False, broken: Callable[[int], Verdict | None] = lambda call: None) -> Found:
    """Of a node with that limit. `unworded`: its refusal is not known as one; `broken`: how it answers its n-th call instead."""
    call = 0
    while (size := search.next()) is not None:
        call += 1
        assert call < 300, "it ends"
        if (verdict := broken(call)) is not None:
            search.answered(size, verdict, "a lost connection")
        elif size <= limit:
            search.answered(size, Verdict.OK)
        else:
            search.answered(size, Verdict.OTHER if unworded else Verdict.REFUSED, says(size))
    return search.found()


limits = st.integers(1, MOST - 1)
likely = st.lists(st.integers(1, MOST), max_size=20)


@given(limits, likely, st.integers(1, 5000))
def test_a_limit_is_found_exactly_within_few_calls(limit: int, likely: list[int], first: int) -> None:
    found = run(Search(MOST, first, likely=likely, most_calls=1000), limit)
    assert found.limit == limit
    assert found.calls <= bound(MOST)


@given(limits, st.lists(st.integers(0, 2 * MOST), max_size=4))
def test_words_that_lie_make_no_other_limit(limit: int, named: list[int]) -> None:
    found = run(Search(MOST), limit, lambda size: " and ".join(f"up to {number}" for number in named))
    assert found.limit == limit
    assert found.calls <= bound(MOST)


@given(limits, st.integers(-2, 2))
def test_words_that_repeat_the_question_name_no_limit(limit: int, beside: int) -> None:
    found = run(Search(MOST), limit, lambda size: f"a request of {size + beside} is too large")
    assert found.limit == limit
    assert found.calls <= bound(MOST)


@given(limits, st.sampled_from([-1, 0, 1]))
def test_words_that_name_the_limit_or_one_beside_it_are_verified_by_two_calls_or_three(limit: int, beside: int) -> None:
    refused = []

    def says(size: int) -> str:
        refused.append(size)
        return f"up to a {limit + beside} block range"

    found = run(Search(MOST), limit, says)
    assert found.limit == limit
    grown = math.ceil(math.log(MOST, FACTOR)) + 2
    assert found.calls <= grown + 3


@given(st.integers(MOST, 2 * MOST), st.integers(1, 5000))
def test_where_nothing_is_refused_no_limit_is_reported(limit: int, first: int) -> None:
    found = run(Search(MOST, first), limit)
    assert (found.limit, found.accepted, found.refused) == (None, MOST, None)


@given(limits, likely)
def test_a_refusal_in_words_that_nobody_knows_is_one_where_smaller_questions_go_through(limit: int, likely: list[int]) -> None:
    assert run(Search(MOST, likely=likely, most_calls=1000), limit, unworded=True).limit == limit


@given(limits, st.integers(1, 40), st.sampled_from([Verdict.OTHER, Verdict.LATER]))
def test_one_lost_answer_changes_nothing(limit: int, at: int, verdict: Verdict) -> None:
    found = run(Search(MOST, most_calls=1000), limit, broken=lambda call: verdict if call == at else None)
    assert found.limit == limit or "lost connection" in found.stopped


@given(limits, st.integers(1, 40), st.booleans())
def test_an_endpoint_that_breaks_ends_the_search_and_gives_no_false_limit(limit: int, at: int, unworded: bool) -> None:
    found = run(Search(MOST, most_calls=1000), limit, unworded=unworded, broken=lambda call: Verdict.OTHER if call >= at else None)
    assert found.limit == limit or found.stopped
    assert found.accepted <= limit
    assert found.refused is None or found.refused > limit


@given(limits, st.integers(1, 40))
def test_being_asked_for_fewer_requests_is_never_taken_for_a_limit(limit: int, at: int) -> None:
    found = run(Search(MOST, most_calls=1000), limit, broken=lambda call: Verdict.LATER if call >= at else None)
    assert found.limit in (limit, None)
    assert found.refused is None or found.refused > limit


@given(limits)
def test_large_questions_that_are_put_off_again_and_again_are_no_limit_either(limit: int) -> None:
    search = Search(MOST)
    while (size := search.next()) is not None:
        search.answered(size, Verdict.OK if size <= limit else Verdict.LATER, "slow down")
    assert search.found().refused is None
    assert search.found().stopped == "slow down"


def test_a_node_that_refuses_even_the_least_has_a_limit_of_nothing() -> None:
    assert run(Search(MOST), 0).limit == 0


def test_calls_are_bounded_and_the_rest_is_said() -> None:
    found = run(Search(MOST, most_calls=10), 777_777)
    assert found.calls == 10
    assert found.limit is None
    assert found.accepted <= 777_777 < (found.refused or 0)
    assert found.stopped == "not known more exactly after 10 calls"


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("up to a 2000 block range", [2000]),
        ("eth_getLogs is limited to a 10,000 range", [10_000]),
        ("up to a 2K block range or 10k logs", [2000, 10_000]),
        ("batch limit 100 exceeded. Requested batch of size: 512", [100, 512]),
        ("method 0x1f4 failed (-32005) after 1.5 s", []),
    ],
)
def test_numbers_are_read_from_words(text: str, numbers: list[int]) -> None:
    assert numbers_in(text) == numbers
