"""The batcher's hand loses nothing and merges what it may."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from actors.batch import Batch, key_of, merge
from actors.hand import Hand
from actors.messages import Page, Touch

A, B = b"\xaa" * 20, b"\xbb" * 20


def touch(wallet: bytes = A, need: int = 0, *errands: int, live: bool = True, event: int | None = None) -> Touch:
    return Touch("T", wallet, need, event, errands=frozenset(errands), live=live)


def wallets(batch: Batch | None) -> list[bytes]:
    assert batch is not None
    return [one.wallet for one in batch.touches]


def test_touches_of_one_wallet_merge_to_the_highest_block_and_all_errands() -> None:
    merged = merge(touch(A, 7, 1, event=7), touch(A, 5, 2, event=5))
    assert (merged.need, merged.event_block, merged.errands) == (7, 7, {1, 2})


def test_a_sweep_merged_into_an_event_keeps_the_events_block_and_lane() -> None:
    merged = merge(touch(A, 0, 1, live=False), touch(A, 9, 2, event=9))
    assert (merged.live, merged.event_block) == (True, 9)


def test_the_hash_belongs_to_the_highest_block() -> None:
    low, high = Touch("T", A, 3, block_hash=b"3"), Touch("T", A, 4, block_hash=b"4")
    assert merge(low, high).block_hash == merge(high, low).block_hash == b"4"


def test_live_passes_sweep() -> None:
    hand = Hand()
    hand.put(touch(A, live=False))
    hand.put(touch(B))
    assert wallets(hand.next_batch(1)) == [B]
    assert wallets(hand.next_batch(1)) == [A]
    assert hand.next_batch(1) is None


def test_a_batch_takes_no_more_than_asked() -> None:
    hand = Hand()
    for n in range(5):
        hand.put(touch(bytes([n]) * 20))
    assert [len(wallets(hand.next_batch(2))) for _ in range(3)] == [2, 2, 1]


def test_a_touch_newer_than_a_read_in_flight_waits_for_the_next_one() -> None:
    hand = Hand()
    hand.put(touch(A, 5, 1))
    batch = hand.next_batch(9)
    assert batch is not None
    hand.put(touch(A, 6, 2))
    assert hand.next_batch(9) is None
    hand.landed(batch)
    second = hand.next_batch(9)
    assert second is not None
    assert (second.need, second.touches[0].errands) == (6, {2})


def test_a_redelivery_of_what_is_in_flight_is_not_read_twice() -> None:
    hand = Hand()
    hand.put(touch(A, 5, 1))
    batch = hand.next_batch(9)
    assert batch is not None
    hand.put(touch(A, 5, 1))
    hand.landed(batch)
    assert hand.next_batch(9) is None
    assert len(hand) == 0


def test_a_split_batch_is_asked_for_in_halves() -> None:
    hand = Hand()
    for n in range(4):
        hand.put(touch(bytes([n]) * 20))
    batch = hand.next_batch(9)
    assert batch is not None
    hand.split(batch)
    assert [len(wallets(hand.next_batch(9))) for _ in range(2)] == [2, 2]


def test_who_failed_among_others_is_asked_for_alone() -> None:
    hand = Hand()
    hand.put(touch(A))
    hand.put(touch(B))
    batch = hand.next_batch(9)
    assert batch is not None
    hand.landed(batch, alone=[batch.touches[0]])
    assert wallets(hand.next_batch(9)) == [A]
    assert hand.next_batch(9) is None


def test_suspects_do_not_starve_and_are_not_starved() -> None:
    hand = Hand()
    for n in range(3):
        hand.put(Touch("T", bytes([n]) * 20, suspect=True))
        hand.put(touch(bytes([100 + n]) * 20))
    kinds = [batch.touches[0].suspect for _ in range(6) if (batch := hand.next_batch(1))]
    assert kinds == [False, True, False, True, False, True]


def test_a_failed_batch_counts_its_failures() -> None:
    hand = Hand()
    hand.put(touch(A))
    for failures in range(3):
        batch = hand.next_batch(9)
        assert batch is not None
        assert batch.failures == failures
        hand.again(batch)


@given(st.lists(st.integers(0, 7), max_size=60), st.integers(0, 2**32))
def test_whatever_happens_every_errand_of_every_wallet_is_still_in_hand_until_it_lands(steps: list[int], seed: int) -> None:
    """A random walk over all that can happen to a hand, its owner's death included."""
    source, hand = random.Random(seed), Hand()
    open_work: set[tuple[bytes, int]] = set()
    flying: list[Batch] = []
    for errand, step in enumerate(steps):
        if step <= 2:
            wallet = bytes([source.randrange(4)]) * 20
            hand.put(touch(wallet, errand, errand, live=source.random() < 0.5))
            open_work.add((wallet, errand))
        elif step == 3 and (batch := hand.next_batch(source.randint(1, 3))):
            flying.append(batch)
        elif step == 4 and flying:
            batch = flying.pop()
            open_work -= {(t.wallet, e) for t in batch.touches for e in t.errands}
            hand.landed(batch)
        elif step == 5 and flying:
            hand.split(flying.pop())
        elif step == 6 and flying:
            hand.again(flying.pop())
        elif step == 7:
            hand.recover()
            flying.clear()
    hand.recover()
    seen: set[tuple[bytes, int]] = set()
    while batch := hand.next_batch(3):
        assert len({key_of(t) for t in batch.touches}) == len(batch.touches)
        seen |= {(t.wallet, e) for t in batch.touches for e in t.errands}
        hand.landed(batch)
    assert seen == open_work
    assert len(hand) == 0


def test_a_set_aside_wallet_that_comes_due_while_it_is_ready_is_read_once() -> None:
    hand = Hand()
    hand.put(touch(A, 5, 1))
    hand.put(replace(touch(A, live=False), suspect=True))
    batch = hand.next_batch(10)
    assert batch is not None
    assert [(t.wallet, t.errands, t.suspect) for t in batch.touches] == [(A, {1}, True)]
    assert hand.next_batch(10) is None
    hand.landed(batch)
    assert len(hand) == 0


def test_what_a_sweep_asks_for_alone_does_not_close_the_live_lane() -> None:
    hand = Hand(capacity=10)
    for number in range(50):
        hand.put(replace(touch(number.to_bytes(20, "big"), live=False), suspect=True))
    assert hand.has_room(True)
    assert not hand.has_room(False)


def test_what_nobody_has_yet_is_parted_from_what_can_be_read() -> None:
    hand = Hand()
    for wallet, need in ((A, 5), (B, 90)):
        hand.put(touch(wallet, need, 1))
    batch = hand.next_batch(10)
    assert batch is not None
    hand.sift(batch, 10, lambda one: False)
    assert sorted(wallets(hand.next_batch(10)) + wallets(hand.next_batch(10))) == [A, B]
    assert hand.next_batch(10) is None


def test_what_is_let_go_is_not_asked_for_again() -> None:
    hand = Hand()
    hand.put(touch(A, 90))
    batch = hand.next_batch(10)
    assert batch is not None
    hand.sift(batch, 10, lambda one: True)
    assert len(hand) == 0


def test_of_two_branches_the_newer_ones_event_is_kept() -> None:
    old, new = touch(A, 9, event=9), replace(touch(A, 3, event=3), event_branch=1)
    for pair in ((old, new), (new, old)):
        assert (merge(*pair).event_block, merge(*pair).event_branch) == (3, 1)
    assert merge(old, touch(A, 3)).event_block == 9


def page(number: int, count: int = 3) -> Page:
    return Page(number, 1, "T", ",".join("0x" + bytes([number]).hex() * 20 for _ in range(count)), count)


def test_pages_and_touches_of_a_sweep_take_turns_and_live_passes_both() -> None:
    hand = Hand()
    hand.put_page(page(1))
    hand.put_page(page(2))
    hand.put(touch(A, live=False))
    hand.put(touch(bytes(20), live=False))
    hand.put(touch(B))
    order = [hand.next_batch(1) for _ in range(5)]
    assert [batch and (batch.page.id if batch.page else batch.touches[0].wallet) for batch in order] == [B, A, 1, bytes(20), 2]
    assert hand.next_batch(10) is None


def test_a_page_is_there_once_until_it_lands() -> None:
    hand = Hand()
    hand.put_page(page(1))
    hand.put_page(page(1))
    batch = hand.next_batch(10)
    assert batch is not None
    hand.put_page(page(1))
    assert hand.next_batch(10) is None
    hand.again(batch)
    again = hand.next_batch(10)
    assert again is not None
    assert (again.page, again.failures) == (replace(page(1), failures=1), 1)
    hand.recover()
    last = hand.next_batch(10)
    assert last is not None
    hand.landed(last)
    assert len(hand) == 0
    hand.put_page(page(1))
    assert hand.next_batch(10) is not None


def test_a_page_that_is_refused_before_it_has_landed_is_asked_for_again() -> None:
    hand = Hand()
    hand.put_page(page(1))
    batch = hand.next_batch(10)
    assert batch is not None
    hand.put_page(page(1), refused=True)
    assert hand.next_batch(10) is None
    hand.landed(batch)
    again = hand.next_batch(10)
    assert again is not None
    hand.landed(again)
    assert hand.next_batch(10) is None


def test_a_mailbox_is_left_alone_while_pages_wait() -> None:
    hand = Hand()
    for number in (1, 2):
        assert hand.has_room(False)
        hand.put_page(page(number))
    assert not hand.has_room(False)
    assert hand.has_room(True)


def test_a_wallet_that_is_apart_in_the_sweep_passes_to_the_live_lane_with_an_event() -> None:
    """The sweep may have to wait for a month's budget; the event's closing must not."""
    hand = Hand()
    hand.put(touch(A, live=False))
    hand.put(touch(B, live=False))
    batch = hand.next_batch(9)
    assert batch is not None
    hand.again(batch)
    assert hand.next_batch(9, sweep=False) is None
    hand.put(touch(B, 7, 1, event=7))
    hurried = hand.next_batch(9, sweep=False)
    assert hurried is not None
    assert (hurried.live, hurried.failures, sorted(wallets(hurried))) == (True, 1, [A, B])
    assert hand.next_batch(9) is None
