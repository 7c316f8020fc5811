"""Which batches may take what was read ahead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from actors.ahead import Ahead, Aheads
from actors.batch import Batch
from actors.errors import NodeError, Permanent, TooLarge, Transient
from actors.evm.block import Header
from actors.evm.rung import Answer, Failure
from actors.messages import Page, Touch
from actors.outcomes import Asked

HEAD = Header(10, b"\x10" * 32, bytes(32), 0, bytes(32))
A, B, C = (bytes([n]) * 20 for n in (1, 2, 3))
A_TOUCH, B_TOUCH = Touch("T", A, 10, 10), Touch("T", B, 9, 9)
BATCH = Batch(1, (B_TOUCH, A_TOUCH), live=True)


def ahead(*wallets: bytes) -> Ahead:
    return Ahead("T", HEAD, 0, {wallet: place for place, wallet in enumerate(wallets)})


def test_a_batch_of_some_of_its_wallets_is_served() -> None:
    assert ahead(A, C, B).serves(BATCH, closed=9)


@pytest.mark.parametrize(
    "other",
    [
        replace(BATCH, live=False),
        replace(BATCH, failures=1),
        replace(BATCH, wide=True),
        replace(BATCH, touches=(A_TOUCH, Touch("T", C))),
        replace(BATCH, touches=(A_TOUCH, Touch("U", B))),
        replace(BATCH, touches=(A_TOUCH, replace(B_TOUCH, need=11))),
        replace(BATCH, touches=(A_TOUCH, replace(B_TOUCH, suspect=True))),
        replace(BATCH, touches=(A_TOUCH, replace(B_TOUCH, block_hash=b"\x11" * 32))),
        Batch(1, (), live=True, page=Page(1, 1, "T", "0x" + A.hex(), 1)),
    ],
    ids=["a sweep's", "failed", "wide", "another wallet", "another asset", "newer", "suspect", "another block", "a page"],
)
def test_a_batch_that_wants_anything_else_asks_for_itself(other: Batch) -> None:
    assert not ahead(A, B).serves(other, closed=9)


def test_a_batch_whose_asset_has_closed_a_newer_block_asks_for_itself() -> None:
    assert ahead(A, B).serves(BATCH, closed=10)
    assert not ahead(A, B).serves(BATCH, closed=11)


ALONE = replace(BATCH, touches=(A_TOUCH,))


def came(there: Ahead, what: Answer | NodeError) -> Ahead:
    there.asked = Asked(there.pin, 0, 100.0)
    if isinstance(what, Answer):
        there.answer = what
    else:
        there.error = what
    return there


def test_a_wallet_that_is_alone_takes_its_sum_and_has_a_failure_explained() -> None:
    assert ahead(A, B).serves(ALONE, closed=9)
    assert came(ahead(A, B), Answer([1, 2])).tells(ALONE, 100.0)
    assert not came(ahead(A, B), Answer([Failure("has no sum"), 2])).tells(ALONE, 100.0)
    assert came(ahead(A), Answer([Failure("source 1 reverts")])).tells(ALONE, 100.0)


def test_a_fault_is_taken_for_the_batchs_own_where_it_would_ask_the_same_now() -> None:
    fault = TooLarge("too many")
    assert came(ahead(A, B), fault).tells(BATCH, 102.0)
    assert not came(ahead(A, B), fault).tells(BATCH, 103.0)
    assert not came(ahead(A, B, C), fault).tells(BATCH, 100.0)


def test_a_wallet_that_is_alone_is_not_at_fault_for_what_came_before_it_was_asked_for() -> None:
    assert not came(ahead(A), Permanent("header not found")).tells(ALONE, 100.0)


def test_what_was_given_up_tells_nothing() -> None:
    assert not ahead(A, B).tells(BATCH, 100.0)


async def test_what_came_is_told_in_the_batchs_order_an_answer_or_a_fault() -> None:
    there = ahead(A, C, B)
    there.answer = Answer([1, Failure("3"), 2], marked=True)
    assert await there.answered(BATCH) == Answer([2, 1], marked=True)
    there.error = Transient("gone")
    with pytest.raises(Transient, match="gone"):
        await there.answered(BATCH)


def asked_for(aheads: Aheads) -> Any:
    aheads.want("T", HEAD, 0, [A, B])
    return aheads.next()


def test_what_was_read_ahead_is_taken_once() -> None:
    aheads = Aheads()
    there = asked_for(aheads)
    assert aheads.take(BATCH, 9) is there
    assert aheads.take(BATCH, 9) is None


def test_what_nobody_has_asked_for_yet_is_not_waited_for() -> None:
    aheads = Aheads()
    aheads.want("T", HEAD, 0, [A, B])
    assert aheads.take(BATCH, 9) is None
    assert aheads.next() is not None


def test_what_is_forgotten_is_neither_asked_for_nor_taken() -> None:
    aheads = Aheads()
    aheads.want("T", HEAD, 0, [A, B])
    aheads.forget("T")
    assert aheads.next() is None
    asked_for(aheads)
    aheads.forget("T")
    assert aheads.take(BATCH, 9) is None


def test_what_is_given_up_is_neither_asked_for_nor_waited_for() -> None:
    aheads = Aheads()
    aheads.want("T", HEAD, 0, [A, B])
    aheads.give_up()
    assert aheads.next() is None
    assert aheads.take(BATCH, 9) is None
