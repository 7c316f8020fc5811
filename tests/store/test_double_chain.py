"""Branches, remembered blocks and checkpoints: the same rules for real Postgres and for the simulation's double."""

from __future__ import annotations

from dataclasses import replace

import pytest

from actors.messages import Covered, Failed, Marks, Move, Raised, Touch
from actors.store import chain, checkpoint
from tests.store.double_postgres import a_conn, a_side  # noqa: F401  # fixtures
from tests.store.double_sides import BETA, GAMMA, Side
from tests.store.scene import AUDIO, HASH, reading, wallet

ONE, TWO, THREE = wallet(1), wallet(2), wallet(3)
OTHER = bytes(31) + b"\x02"


def move(errand: int, expect: Marks, target: Marks, branch: int = 0, block_hash: bytes | None = HASH) -> Move:
    return Move(errand, "ethereum", AUDIO.checkpoint, branch, expect, target, block_hash)


def numbers(side: Side) -> list[int]:
    return [number for number, _ in side.run(chain.remembered, "ethereum", -1)]


def test_outcomes_of_an_older_branch_are_refused_and_leave_nothing(side: Side) -> None:
    side.run(chain.reorg, "ethereum", [], 1000, 0)
    old, touches = reading(1, 10, 110), [Touch("AUDIO", wallet(n), 105, 105) for n in (2, 3, 4)]
    covered, failed, raised = Covered(touches[0], 0), Failed(touches[1], "reverts", 0), Raised(touches[2], 0)
    result = side.write(old, covered=(covered,), failed=(failed,), raised=(raised,))
    assert result.refused == (old.touch, *touches)
    assert (result.branches, result.updated) == ({"ethereum": 1}, frozenset())
    held = side.contents()
    assert (held["rows"], held["aside"], held["blocks"]) == ({}, {}, {})
    assert side.write(reading(1, 10, 110, branch=1), reading(2, 10, 110, branch=2)).refused == ()


def test_reading_of_a_closed_block_must_be_of_the_one_that_was_closed(side: Side) -> None:
    side.run(checkpoint.create, "ethereum", AUDIO.checkpoint, 100, HASH)
    result = side.write(*(reading(n, 10, 100, block_hash=h) for n, h in ((1, OTHER), (2, HASH))), reading(3, 10, 99))
    assert [touch.wallet for touch in result.refused] == [ONE, THREE]
    assert (result.updated, result.closed) == ({("AUDIO", TWO)}, {"AUDIO": 100})
    side.put_marks(AUDIO.checkpoint, Marks(100, None))
    assert side.write(reading(1, 10, 100, block_hash=OTHER)).refused == ()


def test_asset_without_a_checkpoint_is_held_to_what_all_others_of_its_chain_have_confirmed(side: Side) -> None:
    side.put_marks(GAMMA.checkpoint, Marks(1, 1))  # of another chain
    assert side.write(reading(1, 10, 90, block_hash=OTHER)).closed == {}
    for marks, lowest in ((Marks(100, 80), 80), (Marks(70, None), 70)):
        side.put_marks(BETA.checkpoint, marks)
        result = side.write(*(reading(n, 10, lowest + up, block_hash=OTHER) for n, up in ((1, 1), (2, 0))))
        assert ([touch.wallet for touch in result.refused], result.closed) == ([TWO], {"AUDIO": lowest})


def test_move_of_an_errand_that_a_refused_touch_keeps_open_waits(side: Side) -> None:
    side.put_marks(AUDIO.checkpoint, Marks(100, 90))
    side.run(chain.reorg, "ethereum", [], 1000, 0)
    late = replace(reading(1, 10, 105), touch=Touch("AUDIO", ONE, 105, 105, errands=frozenset({1})))
    result = side.write(late, moves=(move(1, Marks(100, 90), Marks(110, 100), 1), move(2, Marks(100, 90), Marks(105, 90), 1)))
    assert (result.refused, result.moved, result.dropped) == ((late.touch,), (2,), ())


def test_blocks_of_readings_and_of_closings_are_remembered(side: Side) -> None:
    side.put_marks(AUDIO.checkpoint, Marks(100, 90))
    steps = move(1, Marks(100, 90), Marks(110, 100)), move(2, Marks(110, 100), Marks(120, 110), block_hash=None)
    side.write(reading(1, 10, 101), reading(2, 10, 101), reading(3, 10, 101, block_hash=OTHER), moves=steps)
    assert side.run(chain.remembered, "ethereum", 0) == [(101, HASH), (101, OTHER), (110, HASH)]


def test_blocks_above_a_mark_and_the_newest_below_it_are_found(side: Side) -> None:
    side.put_blocks("ethereum", [(5, HASH), (9, HASH), (10, HASH), (11, HASH), (11, OTHER)])
    side.put_blocks("base", [(7, HASH)])
    assert side.run(chain.remembered, "ethereum", 9) == [(9, HASH), (10, HASH), (11, HASH), (11, OTHER)]
    assert side.run(chain.remembered, "ethereum", 4) == [(5, HASH), (9, HASH), (10, HASH), (11, HASH), (11, OTHER)]
    assert side.run(chain.remembered, "ethereum", 99) == [(11, HASH), (11, OTHER)]


def test_a_move_forgets_all_but_the_latest_numbers_below_the_slowest_confirmed(side: Side) -> None:
    keep = chain.KEPT_CLOSINGS
    side.put_marks(AUDIO.checkpoint, Marks(1000, 990))
    side.put_marks(BETA.checkpoint, Marks(500, None))
    side.put_marks("another chain's", Marks(1, 1))
    side.put_blocks("ethereum", [(number, value) for number in range(500 - keep, 1000) for value in (HASH, OTHER)])
    side.write(moves=(move(1, Marks(1000, 990), Marks(1010, 1000)),))
    assert sorted(set(numbers(side))) == [*range(501 - keep, 1000), 1010]
    side.put_marks(BETA.checkpoint, None)
    side.write(moves=(move(2, Marks(1010, 1000), Marks(1020, 1010)),))
    assert sorted(set(numbers(side))) == [*range(1001 - keep, 1000), 1010, 1020]


# Moves, reorgs, checkpoints.


def test_checkpoint_moves_from_where_it_is_expected_and_a_redelivery_counts(side: Side) -> None:
    side.put_marks(AUDIO.checkpoint, Marks(100, None))
    steps = move(8, Marks(110, 100), Marks(120, 110)), move(7, Marks(100, None), Marks(110, 100))
    for moves in (steps, steps, steps[:1], steps[::-1]):
        assert side.write(moves=moves).moved == tuple(sorted(m.errand for m in moves))
        assert side.run(checkpoint.load, AUDIO.checkpoint) == Marks(120, 110)
    assert side.write(moves=steps[1:]).dropped == (7,)


@pytest.mark.parametrize("expect", [Marks(100, 91), Marks(101, 90), Marks(100, None)])
def test_move_from_other_marks_is_dropped_and_the_rows_are_written(side: Side, expect: Marks) -> None:
    side.put_marks(AUDIO.checkpoint, Marks(100, 90))
    result = side.write(reading(1, 10, 110), moves=(move(7, expect, Marks(110, 100)),))
    assert (result.moved, result.dropped, result.updated) == ((), (7,), {("AUDIO", ONE)})
    assert side.contents()["checkpoints"] == {AUDIO.checkpoint: Marks(100, 90)}
    assert numbers(side) == [110]


def test_move_of_another_branch_or_of_no_checkpoint_is_dropped(side: Side) -> None:
    assert side.write(moves=(move(7, Marks(100, 90), Marks(110, 100)),)).dropped == (7,)
    side.put_marks(AUDIO.checkpoint, Marks(100, 90))
    for branch in (1, -1):
        assert side.write(moves=(move(7, Marks(100, 90), Marks(110, 100), branch),)).dropped == (7,)
    assert numbers(side) == []


def test_reorg_takes_the_branch_up_and_its_checkpoints_back(side: Side) -> None:
    held = {"above": (110, 105), "astride": (110, 90), "below": (40, 30), "seed": (110, None), "another's": (500, 500)}
    for name, marks in held.items():
        side.put_marks(name, Marks(*marks))
    side.put_marks("empty", None)
    names = ["above", "astride", "below", "seed", "empty", "not there"]
    assert side.run(chain.reorg, "ethereum", names, 100, 0) == (1, True)
    expected = {"above": (100, 100), "astride": (100, 90), "below": (40, 30), "seed": (100, None), "another's": (500, 500)}
    assert side.run(checkpoint.load_many, [*held, "empty"]) == {name: Marks(*marks) for name, marks in expected.items()}
    assert side.run(chain.branch, "ethereum") == 1
    assert side.run(chain.branch, "base") == 0


def test_reorg_and_forget_of_another_branch_change_nothing(side: Side) -> None:
    side.run(checkpoint.create, "ethereum", AUDIO.checkpoint, 100, HASH)
    assert side.run(chain.reorg, "ethereum", [AUDIO.checkpoint], 100, 0) == (1, True)
    side.run(chain.branch, "base")
    before = side.contents()
    for branch in (0, 2):
        assert side.run(chain.reorg, "ethereum", [AUDIO.checkpoint], 50, branch) == (1, False)
        side.run(chain.forget, "ethereum", [(100, HASH)], branch)
    assert side.contents() == before
    assert side.run(chain.reorg, "ethereum", [], 50, 1) == (2, True)
    side.run(chain.forget, "ethereum", [(100, HASH)], 1)
    assert numbers(side) == [100]
    side.run(chain.forget, "ethereum", [(100, OTHER), (99, HASH), (100, HASH)], 2)
    assert numbers(side) == []


def test_orphaned_block_that_something_was_read_at_since_the_reorg_is_not_forgotten(side: Side) -> None:
    side.put_blocks("ethereum", [(110, HASH), (111, HASH)])
    side.run(chain.reorg, "ethereum", [], 100, 0)
    side.write(reading(1, 10, 110, branch=1))
    side.run(chain.forget, "ethereum", [(110, HASH), (111, HASH)], 1)
    assert numbers(side) == [110]


def test_first_boot_stores_a_block_as_both_marks_once_and_remembers_it(side: Side) -> None:
    side.put_marks(AUDIO.checkpoint, None)
    for number in (100, 200):
        side.run(checkpoint.create, "ethereum", AUDIO.checkpoint, number, HASH)
        side.run(checkpoint.create, "ethereum", "unhashed", number, None)
    assert side.run(checkpoint.load_many, [AUDIO.checkpoint, "unhashed", "?"]) == {
        AUDIO.checkpoint: Marks(100, 100),
        "unhashed": Marks(100, 100),
    }
    assert side.run(checkpoint.load, "?") is None
    assert numbers(side) == [100]


def test_an_end_knows_above_which_block_its_closing_asked(side: Side) -> None:
    side.put_blocks("ethereum", [(9, HASH)])
    assert side.run(chain.asked_since, "ethereum", [(9, HASH), (8, OTHER)]) is None
    for since in (7, 5, 6):
        side.run(chain.remember, "ethereum", [(9, HASH)], since)
    side.run(chain.remember, "ethereum", [(9, HASH)])
    side.run(chain.remember, "ethereum", [(12, OTHER)], 9)
    assert side.run(chain.asked_since, "ethereum", [(12, OTHER)]) == 9
    assert side.run(chain.asked_since, "ethereum", [(12, OTHER), (9, HASH)]) == 5
    assert side.run(chain.asked_since, "base", [(9, HASH)]) is None
