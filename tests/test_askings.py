"""Who is asked for a block's logs first, and who confirms them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.askings import LONGEST_WAIT_SECS, MOST_RUNS, Asking, Askings
from actors.evm.block import Header
from actors.messages import Marks

ENDPOINTS: list[Any] = [SimpleNamespace(index=index) for index in range(3)]
ONE, OTHER, THIRD = ENDPOINTS


def head(number: int) -> Header:
    return Header(number, bytes(32), bytes(32), 0, bytes(32))


@dataclass
class Closings:
    """One asset's, as closing.py makes them; which endpoints' answers its rows rest on, by block."""

    marks: Marks = field(default_factory=lambda: Marks(10, 10))
    now: float = 0.0
    branch: int = 0
    askings: Askings = field(default_factory=Askings)
    by: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))

    def turn(self, healthy: Sequence[Any]) -> Any:
        """Whose turn it is."""
        wanted = [[one for one in healthy if one.index not in without] for without in (*self.askings.unwanted(self.marks), ())]
        return next(up[0] for up in wanted if up)

    def whole(self, endpoint: Any, up_to: int, *, others: Sequence[Any] = ()) -> Asking:
        """By timer, while these others are healthy."""
        return self._close(self.askings.second(endpoint, others, self.marks, self.branch, self.now), up_to, False)

    def heads(self, endpoint: Any, up_to: int, *, dies: bool = False) -> Asking:
        """By a pushed head."""
        return self._close(Asking(endpoint, self.marks, self.branch, self.marks.last_block + 1, None), up_to, dies)

    def _close(self, asking: Asking, up_to: int, dies: bool) -> Asking:
        if asking.first <= up_to:
            for block in range(asking.first, up_to + 1):
                self.by[block].add(asking.endpoint.index)
            self.marks = asking.step(head(up_to))
            if not dies:  # else the next incarnation sees the errand through, and does not know who was asked
                self.askings.ended(asking, up_to)
        return asking

    def fails(self, endpoint: Any, others: Sequence[Any]) -> None:
        """By timer, at an endpoint that raises."""
        self.askings.second(endpoint, others, self.marks, self.branch, self.now)
        self.askings.failed(endpoint, others)

    def reorg(self, fork: int) -> None:
        """The blocks above it are others."""
        for block in [block for block in self.by if block > fork]:
            del self.by[block]
        self.branch += 1
        self.marks = Marks(min(self.marks.last_block, fork), min(self.marks.confirmed or 0, fork))


def test_another_endpoint_confirms_what_one_was_asked_for_first() -> None:
    closings = Closings()
    closings.whole(ONE, 15)
    assert closings.marks == Marks(15, 10)
    assert closings.askings.unwanted(closings.marks) == ({ONE.index}, set())
    closings.whole(OTHER, 20)
    assert closings.marks == Marks(20, 15)


def test_while_the_other_one_is_away_only_new_blocks_are_asked_for() -> None:
    closings = Closings()
    closings.heads(ONE, 15)
    assert closings.whole(ONE, 20).first == 16
    assert closings.marks == Marks(20, 10)
    assert closings.whole(OTHER, 20).first == 11
    assert closings.marks == Marks(20, 20)


def test_who_stays_alone_for_long_is_asked_again_itself() -> None:
    closings = Closings()
    closings.heads(ONE, 15)
    closings.whole(ONE, 15)
    closings.now += LONGEST_WAIT_SECS
    assert closings.whole(ONE, 20).first == 11
    assert closings.marks == Marks(20, 15)
    assert closings.whole(ONE, 25).first == 16  # until another one confirms something
    closings.whole(OTHER, 25)
    closings.heads(ONE, 30)
    assert closings.whole(ONE, 30).first == 31


def test_a_wait_is_of_one_endpoint_and_not_of_who_is_alone_next() -> None:
    closings = Closings()
    closings.heads(ONE, 15)
    for _ in range(2):
        closings.whole(ONE, 15)
        closings.now += LONGEST_WAIT_SECS
    assert closings.marks == Marks(15, 15)
    closings.heads(OTHER, 20)
    assert closings.whole(OTHER, 20).first == 21


def test_who_has_waited_for_long_is_not_asked_itself_while_another_one_is_there() -> None:
    closings = Closings()
    closings.heads(ONE, 15)
    closings.whole(ONE, 15)
    closings.now += LONGEST_WAIT_SECS
    asking = closings.whole(ONE, 15, others=[OTHER])
    assert asking.first == 16
    assert closings.askings.leaves_to(asking, head(15), [OTHER])
    closings.askings.failed(OTHER, [ONE])
    assert closings.whole(ONE, 13, others=[OTHER]).first == 11  # a part
    assert closings.askings.refused == set()  # before the next one the other is asked


def test_what_is_left_is_what_was_there_to_be_confirmed() -> None:
    closings = Closings()
    closings.heads(ONE, 15)
    by_other = closings.askings.second(OTHER, [ONE], closings.marks, 0, 0.0)
    assert not by_other.leaves_some(head(14))  # it is a block behind, and has no more
    by_same = closings.askings.second(ONE, [], closings.marks, 0, 0.0)
    assert by_same.leaves_some(head(15))
    unknown = Askings().second(ONE, [], closings.marks, 0, 0.0)
    assert unknown.leaves_some(head(15))

def test_who_is_asked_and_fails_each_time_is_not_waited_for_anew() -> None:
    closings = Closings()
    closings.heads(ONE, 15)
    for number in range(16, 120):
        if (endpoint := closings.turn([ONE, OTHER])) is OTHER:
            closings.fails(OTHER, [ONE])
            endpoint = closings.turn([ONE, OTHER])
        assert endpoint is ONE
        closings.whole(ONE, number)
        closings.askings.refused.clear()
        closings.now += 2
    assert closings.marks.confirmed == closings.marks.last_block - 1


def test_blocks_of_another_branch_were_asked_of_nobody() -> None:
    closings = Closings()
    closings.heads(ONE, 20)
    closings.reorg(15)
    closings.heads(OTHER, 17, dies=True)
    closings.whole(OTHER, 17)
    assert closings.marks == Marks(17, 10)
    closings.whole(ONE, 17)
    assert closings.marks == Marks(17, 17)


def test_heads_that_two_endpoints_answered_are_confirmed_by_each_others() -> None:
    closings = Closings()
    closings.heads(ONE, 15)
    closings.heads(OTHER, 18)
    asking = closings.whole(OTHER, 18)
    assert closings.marks == Marks(18, 15)
    assert closings.askings.leaves_to(asking, head(18), [ONE])
    closings.whole(ONE, 18)
    assert closings.marks == Marks(18, 18)


def test_who_was_asked_before_a_start_is_not_known_and_two_are_asked_anew() -> None:
    closings = Closings(marks=Marks(20, 10))
    asking = closings.whole(ONE, 20)
    assert (asking.first, closings.marks) == (11, Marks(20, 10))
    assert closings.askings.leaves_to(asking, head(20), [OTHER])
    assert not closings.askings.leaves_to(asking, head(20), [])
    closings.whole(OTHER, 20)
    assert closings.marks == Marks(20, 20)


def test_the_row_of_another_program_is_taken_over_by_one_asking() -> None:
    closings = Closings(marks=Marks(10, None))
    assert closings.whole(ONE, 15).first == 10
    assert closings.marks == Marks(15, 10)


def test_an_endpoint_at_which_closings_fail_is_passed_over_until_one_succeeds_or_all_have_failed() -> None:
    closings = Closings()
    closings.heads(ONE, 15)
    closings.askings.failed(OTHER, [ONE, THIRD])
    assert closings.askings.unwanted(closings.marks) == ({ONE.index, OTHER.index}, {OTHER.index})
    closings.askings.failed(THIRD, [ONE, OTHER])
    closings.askings.failed(ONE, [OTHER, THIRD])
    assert closings.askings.unwanted(closings.marks) == ({ONE.index}, set())


def test_who_alone_is_healthy_is_not_passed_over_for_a_failure() -> None:
    askings = Askings()
    askings.failed(OTHER, [])
    assert askings.refused == set()


def test_what_is_remembered_is_bounded() -> None:
    closings = Closings()
    for number in range(3 * MOST_RUNS):
        closings.heads(ENDPOINTS[number % 2], 11 + number)
    assert len(closings.askings._runs) == MOST_RUNS


Step = tuple[str, int, int]
KINDS = ["whole", "heads", "part", "fails", "dies", "reorg", "forgets"]
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 2), st.integers(0, 4)), max_size=40)


def make(closings: Closings, kind: str, endpoint: Any, blocks: int) -> None:
    """One thing that happens."""
    last = closings.marks.last_block
    if kind == "reorg":
        closings.reorg(last - blocks)
    elif kind == "forgets":  # the process starts anew
        closings.askings = Askings()
    elif kind == "fails":
        closings.fails(endpoint, [])
    elif kind == "part":
        closings.whole(endpoint, max((closings.marks.confirmed or 0) + 1, last - blocks))
    elif kind == "whole":
        closings.whole(endpoint, last + blocks)
    else:
        closings.heads(endpoint, last + blocks, dies=kind == "dies")


@pytest.mark.parametrize("endpoints", [2, 3])
@given(steps=STEPS)
def test_nothing_is_confirmed_that_two_endpoints_were_not_asked_for(endpoints: int, steps: list[Step]) -> None:
    closings = Closings()
    for kind, who, blocks in steps:
        before = closings.marks
        make(closings, kind, ENDPOINTS[who % endpoints], blocks)
        if kind != "reorg":
            assert closings.marks.last_block >= before.last_block
            assert (closings.marks.confirmed or 0) >= (before.confirmed or 0)
            for block in range((before.confirmed or 0) + 1, (closings.marks.confirmed or 0) + 1):
                assert len(closings.by[block]) >= 2, block


@given(steps=STEPS, secs=st.sampled_from([0.3, 7, 60]))
def test_whatever_happened_all_is_confirmed_in_the_end_also_where_one_endpoint_alone_is_left(steps: list[Step], secs: float) -> None:
    closings = Closings()
    for kind, who, blocks in steps:
        make(closings, kind, ENDPOINTS[who], blocks)
    last = closings.marks.last_block
    for _ in range(int(LONGEST_WAIT_SECS / secs) + 3):
        closings.fails(OTHER, [ONE])
        closings.whole(ONE, last)
        closings.now += secs
    assert closings.marks.confirmed == last
