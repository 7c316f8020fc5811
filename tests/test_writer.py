"""What the writer puts into one transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from actors.batch import key_of
from actors.errand import ErrandBook
from actors.mailbox import Mailbox
from actors.messages import Covered, Marks, Move, Outcome, Reading, Repair, Settle, Touch, WriteBatch, WriteResult
from actors.metrics import Metrics
from actors.writer import Writer, batch_of, one_branch_each

A, B = Touch("T", b"\xaa" * 20, 5, 5), Touch("T", b"\xbb" * 20, 6, 6)
MOVE = Move(0, "c", "cp", 0, Marks(4, 4), Marks(6, 4), None)


def reading(touch: Touch, block: int = 9, branch: int = 0) -> Reading:
    return Reading(touch, 1, block, b"h" * 32, branch, 0.0)


def test_a_row_stands_once_in_a_transaction_with_its_newest_reading_and_all_its_errands() -> None:
    old, new = reading(replace(A, errands=frozenset({1})), 7), reading(replace(A, errands=frozenset({2})), 8)
    for order in ([old, new], [new, old]):
        (found,) = batch_of(order, ErrandBook()).readings
        assert (found.block, found.touch.errands) == (8, {1, 2})


def test_readings_of_two_branches_are_written_apart_and_neither_serves_the_others_touch() -> None:
    event, repair = reading(Touch("T", B.wallet, 9, 9), 9, 0), reading(Touch("T", B.wallet), 7, 1)
    other = reading(Touch("T", bytes(20)), 7, 0)
    assert one_branch_each([event, other, repair]) == [[other, repair], [event]]
    assert one_branch_each([other, event]) == [[other, event]]


def test_the_checkpoint_moves_only_with_the_last_wallet_of_its_closing() -> None:
    book = ErrandBook()
    errand = book.register("closing", "c", "T", [A, B], MOVE)
    touches, _ = book.unsent(errand)
    assert batch_of([reading(touches[0])], book).moves == ()
    assert [m.errand for m in batch_of([reading(touches[0]), Covered(touches[1], 0)], book).moves] == [errand.id]


def test_a_closing_that_touched_nobody_moves_by_itself() -> None:
    book = ErrandBook()
    errand = book.register("closing", "c", "T", [], MOVE)
    assert [m.errand for m in batch_of([Settle(errand.id)], book).moves] == [errand.id]


def test_a_late_copy_of_a_repair_lowers_nothing_any_more() -> None:
    book = ErrandBook()
    errand = book.register("repair", "c", "T", [replace(A, repair=Repair(3, 4, datetime(2026, 1, 1)))])
    copy = reading(book.unsent(errand)[0][0])
    assert batch_of([copy], book).readings[0].touch.repair is not None
    book.end(errand.id)
    assert batch_of([copy], book).readings[0].touch.repair is None


async def test_a_reading_that_waited_for_postgres_is_as_old_as_it_is(autojump_clock: trio.testing.MockClock) -> None:
    ages: list[float] = []

    async def patiently(fn: object, batch: WriteBatch, assets: object) -> WriteResult:
        await trio.sleep(600)
        ages.extend(batch.clock() - one.read_at for one in batch.readings)
        return WriteResult((), {}, {}, (), (), frozenset())

    store: Any = SimpleNamespace(patiently=patiently)
    mailbox: Mailbox[tuple[Outcome, ...]] = Mailbox("readings", 1)
    assert mailbox.live.offer((replace(reading(A), read_at=trio.current_time()),))
    mailbox.close()
    await Writer(mailbox, [], {True: store, False: store}, {}, ErrandBook(), Metrics()).run(task_status=trio.TASK_STATUS_IGNORED)
    assert ages == [600.0]


async def test_a_latency_that_cannot_be_measured_keeps_no_closing_open() -> None:
    def fails(asset: str, events: object) -> None:
        raise OverflowError("int too large to convert to float")

    metrics = Metrics()
    ports: Any = SimpleNamespace(assets={"T": None}, catch_up=lambda branch: None, reached_rows=fails, metrics=metrics)
    book = ErrandBook()
    closing = book.register("closing", "c", "T", [A], MOVE)
    writer = Writer(Mailbox("readings", 1), [], {True: ports, False: ports}, {"c": ports}, book, metrics)
    hint = replace(B, event_block=None)
    with pytest.raises(OverflowError):
        writer._settle(WriteResult(moved=(closing.id,), updated=frozenset({key_of(hint)})), [hint])
    assert closing.done.is_set()
    assert not book.is_any_open({closing.id})
