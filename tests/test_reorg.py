"""Where a reorg forks: below every orphaned block, and not within what an orphaned closing asked for."""

from __future__ import annotations

from actors.reorg import fork_of

A, B = b"\xaa" * 32, b"\xbb" * 32


def test_the_fork_is_the_newest_block_that_stands_below_every_orphaned_one() -> None:
    remembered = [(90, A), (95, A), (97, A), (98, A), (99, B)]
    assert fork_of(remembered, [(97, A), (98, A)], None) == 95


def test_a_reading_of_the_new_branch_does_not_vouch_for_logs_of_the_old_one() -> None:
    # The closing to (100, A) had asked above 90; while it was under way, something was read at (99, B).
    remembered = [(90, A), (99, B), (100, A), (100, B)]
    assert fork_of(remembered, [(100, A)], 90) == 90
    assert fork_of(remembered, [(100, A)], None) == 99


def test_a_reorg_deeper_than_what_is_remembered_begins_below_the_oldest_orphan() -> None:
    assert fork_of([(97, A)], [(97, A)], None) == 96
    assert fork_of([(97, A)], [(97, A)], 90) == 90
