"""What the audit shows of what it found, and what it does not try again."""

from __future__ import annotations

from actors.audit.tally import DISPUTE_OVER, MOST_BLOCKED, Tally
from actors.audit.verdict import Findings


def test_a_row_that_is_wrong_still_is_not_mended_again_however_many_there_are() -> None:
    tally = Tally()
    for number in range(MOST_BLOCKED + 50):
        if tally.mends(str(number)):
            tally.block(str(number), f"row {number}")
    assert not any(tally.mends(str(number)) for number in range(MOST_BLOCKED + 50))
    assert len(tally.blocked) == MOST_BLOCKED
    tally.blocked.pop("7")
    assert tally.mends("7")


def test_a_dispute_is_shown_until_many_rows_were_checked_without_one() -> None:
    tally = Tally()
    tally.add(2, 2, 0, Findings(1, [], {"w": "disputed"}, {"w": "a says this, b says that"}))
    assert tally.shown()["blocked"] == "a says this, b says that"
    assert (tally.wrong, tally.uncheckable, tally.shown()["last_wrong_at"]) == (0, 1, None)
    tally.add(DISPUTE_OVER - 1, DISPUTE_OVER - 1, 0, Findings(DISPUTE_OVER - 1))
    assert tally.shown()["blocked"] is not None
    tally.add(1, 1, 0, Findings(1))
    assert tally.shown()["blocked"] is None


def test_all_that_is_in_the_way_is_shown() -> None:
    tally = Tally(dispute="a dispute", too_slow="too slow")
    assert tally.shown()["blocked"] == "a dispute; too slow"
    tally.block("w", "row w")
    tally.block("x", "row x")
    assert tally.shown()["blocked"] == "row w; and 1 more; a dispute; too slow"
