"""Up to which block an endpoint's state is gone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from actors.audit.window import KEPT_SECS, NEAR_HEAD, Window


@given(st.integers(0, 200), st.lists(st.integers(0, 1000)))
def test_it_never_goes_beyond_what_was_refused_nor_holds_what_was_answered(gone_to: int, asked: list[int]) -> None:
    window = Window()
    for block in asked:
        if block <= window.gone_to(0.0):
            assert block <= gone_to
        elif block <= gone_to:
            window.refused(block, 1000, 0.0)
        else:
            window.answered(block)
    assert window.gone_to(0.0) == max((block for block in asked if block <= gone_to), default=-1)


def test_a_refusal_near_the_head_is_a_replicas_lag() -> None:
    window = Window()
    assert not window.refused(100, 100 + NEAR_HEAD - 1, 0.0)
    assert window.gone_to(0.0) == -1
    assert window.refused(100, 100 + NEAR_HEAD, 0.0)
    assert window.gone_to(0.0) == 100


def test_an_answer_from_a_replica_that_keeps_more_and_time_take_it_back() -> None:
    window = Window()
    window.refused(100, 1000, 0.0)
    window.answered(90)
    assert window.gone_to(0.0) == 89
    assert window.gone_to(KEPT_SECS) == -1
