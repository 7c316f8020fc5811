"""In which parts a second asking goes while heads are pushed."""

from __future__ import annotations

from actors.gather import MOST_WALLETS, UNDER_WAY, Part
from actors.second_asking import FIRST_WALLETS, SecondAsking


def test_parts_stay_small_while_they_catch_up() -> None:
    second = SecondAsking()
    assert {second.part(backlog) for backlog in (100, 60, 30, 1)} == {Part(FIRST_WALLETS, 1)}


def test_parts_grow_for_as_long_as_more_blocks_come_than_they_confirm_and_are_bounded() -> None:
    second = SecondAsking()
    found = [second.part(backlog) for backlog in range(10, 30)]
    assert [part.wallets // FIRST_WALLETS for part in found[:4]] == [1, 2, 4, 8]
    assert found[-1] == Part(MOST_WALLETS, UNDER_WAY)
    assert second.part(5) == Part(MOST_WALLETS, UNDER_WAY)


def test_the_next_second_asking_begins_small_again() -> None:
    second = SecondAsking()
    for backlog in (1, 2, 3):
        second.part(backlog)
    second.ended()
    assert second.part(50) == Part(FIRST_WALLETS, 1)
