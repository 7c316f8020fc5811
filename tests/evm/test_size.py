"""The size of a call finds itself."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.evm.rung import Gas
from actors.evm.size import FIRST, FORGET_AFTER, SLOW_SECS, CallSize


def full(size: CallSize, times: int = 1) -> int:
    for _ in range(times):
        size.accepted(size.current)
    return size.current


def test_it_begins_small_and_doubles_up_to_the_most() -> None:
    size = CallSize(6000)
    assert size.current == FIRST
    assert [full(size) for _ in range(6)] == [400, 800, 1600, 3200, 6000, 6000]
    assert CallSize(50).current == 50


def test_a_call_that_was_not_full_proves_nothing() -> None:
    size = CallSize(6000)
    size.accepted(FIRST - 1)
    assert size.current == FIRST


def test_a_refusal_halves_it_and_it_comes_back_to_just_below() -> None:
    size = CallSize(6000)
    full(size, 3)
    size.refused(1600)
    assert size.current == 800
    assert full(size) == 880
    assert full(size, 50) == 1599
    size.refused(1599)
    size.refused(799)
    assert size.current == 399


def test_a_limit_is_tried_again_after_many_calls() -> None:
    size = CallSize(6000)
    size.refused(200)
    assert full(size, FORGET_AFTER) == 199
    assert full(size, 10) == 6000


def test_down_to_a_single_wallet_and_not_below() -> None:
    size = CallSize(6000)
    for _ in range(20):
        size.refused(size.current)
    assert size.current == 1


def test_it_stays_within_the_gas_that_the_node_gives() -> None:
    size = CallSize(6000)
    size.accepted(200, gas=Gas(200, 10_000_000, 60_000 + 200 * 9000))
    assert size.current == 400
    assert full(size, 10) == (9_500_000 - 60_000) // 9001
    size.accepted(size.current, gas=Gas(size.current, 50_000_000, 60_000 + size.current * 9000))
    assert full(size, 10) == (47_500_000 - 60_000) // 9001


def test_the_gas_of_a_few_wallets_says_nothing() -> None:
    size = CallSize(6000)
    size.accepted(2, gas=Gas(2, 10_000_000, 5_000_000))
    assert size.current == FIRST


def test_slow_calls_become_smaller() -> None:
    size = CallSize(6000)
    full(size, 3)
    size.accepted(1600, SLOW_SECS + 1)
    assert size.current == 1200


@given(st.lists(st.tuples(st.sampled_from(["refused", "accepted"]), st.integers(1, 10_000)), max_size=60), st.integers(1, 10_000))
def test_it_is_always_between_one_and_the_most(steps: list[tuple[str, int]], most: int) -> None:
    size = CallSize(most)
    for what, count in steps:
        getattr(size, what)(count)
        assert 1 <= size.current <= most


def test_another_bound_holds_from_the_next_call_on_and_forgets_no_refusal() -> None:
    size = CallSize(6000)
    full(size, 3)
    size.at_most(70)
    assert full(size, 3) == 70
    size.at_most(1000)
    assert [full(size) for _ in range(5)] == [140, 280, 560, 1000, 1000]
    size.refused(900)
    size.at_most(6000)
    assert full(size, 50) == 899
