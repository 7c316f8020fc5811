"""Errands are registered whole, end once, and a redelivery finishes nothing twice."""

from __future__ import annotations

from actors.errand import ErrandBook, key_of
from actors.messages import Covered, Marks, Move, Raised, Settle, Touch

A, B = Touch("T", b"\xaa" * 20, 5, 5), Touch("T", b"\xbb" * 20, 6, 6)
MOVE = Move(0, "c", "cp", 0, Marks(4, 4), Marks(6, 4), None)


def test_a_tick_ends_with_its_last_wallet_and_counts_what_was_updated() -> None:
    book = ErrandBook()
    errand = book.register("tick", "c", "T", [A, B])
    book.finish(errand.id, key_of(A), True)
    assert not errand.done.is_set()
    book.finish(errand.id, key_of(B), False)
    assert errand.done.is_set()
    assert (errand.requested, errand.updated) == (2, 1)


def test_finishing_twice_counts_once() -> None:
    book = ErrandBook()
    errand = book.register("tick", "c", "T", [A, B])
    book.finish(errand.id, key_of(A), True)
    book.finish(errand.id, key_of(A), True)
    assert errand.updated == 1
    assert not errand.done.is_set()


def test_a_closing_does_not_end_before_its_move_is_committed() -> None:
    book = ErrandBook()
    errand = book.register("closing", "c", "T", [A], MOVE)
    book.finish(errand.id, key_of(A), True)
    assert not errand.done.is_set()
    assert [move.errand for move in book.endable({})] == [errand.id]
    book.end(errand.id)
    assert errand.done.is_set()
    assert book.endable({}) == []


def test_a_closing_is_endable_in_the_transaction_that_finishes_its_last_wallets() -> None:
    book = ErrandBook()
    errand = book.register("closing", "c", "T", [A, B], MOVE)
    assert book.endable({errand.id: {key_of(A)}}) == []
    assert [m.errand for m in book.endable({errand.id: {key_of(A), key_of(B)}})] == [errand.id]


def test_closings_end_oldest_first() -> None:
    book = ErrandBook()
    ids = [book.register("closing", "c", "T", [], MOVE).id for _ in range(3)]
    assert [move.errand for move in book.endable({})] == ids


def test_only_what_is_unfinished_is_sent_again_and_each_to_its_own_mailbox() -> None:
    book = ErrandBook()
    errand = book.register("closing", "c", "T", [A, Covered(B, 0)], MOVE)
    touches, rest = book.unsent(errand)
    assert ([t.wallet for t in touches], [type(o) for o in rest]) == ([A.wallet], [Covered])
    book.finish(errand.id, key_of(A), True)
    assert book.unsent(errand)[0] == []


def test_an_errand_with_nothing_in_it_is_settled_by_the_writer() -> None:
    book = ErrandBook()
    errand = book.register("closing", "c", "T", [], MOVE)
    assert book.unsent(errand) == ([], [Settle(errand.id)])


def test_every_item_carries_its_errand() -> None:
    book = ErrandBook()
    errand = book.register("closing", "c", "T", [A, Raised(B, 0)], MOVE)
    touches, rest = book.unsent(errand)
    assert touches[0].errands == {errand.id}
    assert isinstance(rest[0], Raised)
    assert rest[0].touch.errands == {errand.id}


def test_a_dropped_errand_ends_and_says_so() -> None:
    book = ErrandBook()
    errand = book.register("closing", "c", "T", [A], MOVE)
    book.drop(errand.id)
    assert errand.done.is_set()
    assert errand.dropped
    assert book.open_of("closing", "c") == []
