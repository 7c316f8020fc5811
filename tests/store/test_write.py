"""The writer's transaction as a whole: branches, remembered blocks, set-aside wallets and checkpoints with
the rows.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from actors.messages import Covered, Failed, Marks, Move, Raised, Touch
from actors.store import chain, checkpoint, set_aside
from tests.store.scene import HASH, Store, reading, wallet

OLD, NEW = Marks(100, 90), Marks(110, 100)
CLOSED = bytes(31) + b"\x02"


def move(errand: int = 7, **more: Any) -> Move:
    return replace(Move(errand, "ethereum", "audio_transfers", 0, OLD, NEW, CLOSED), **more)


@pytest.fixture
def marked(store: Store) -> Store:
    store.conn.execute("insert into eth_indexer_checkpoints (name, last_block, confirmed) values ('audio_transfers', 100, 90)")
    return store


def marks(store: Store) -> Marks | None:
    return checkpoint.load(store.conn, "audio_transfers")


def test_checkpoint_moves_with_the_rows(marked: Store) -> None:
    result = marked.write(reading(1, 10, 110, event=105), moves=(move(),))
    assert (result.moved, result.dropped, marks(marked)) == ((7,), (), NEW)
    assert chain.remembered(marked.conn, "ethereum", 0) == [(110, HASH), (110, CLOSED)]


def test_checkpoint_already_at_its_target_counts_as_moved(marked: Store) -> None:
    marked.write(moves=(move(),))
    assert marked.write(moves=(move(),)).moved == (7,)


def test_two_moves_that_are_delivered_again_count_as_moved(marked: Store) -> None:
    second = move(8, expect=NEW, target=Marks(120, 110))
    assert marked.write(moves=(second, move())).moved == (7, 8)
    assert marked.write(moves=(move(), second)).moved == (7, 8)
    assert marks(marked) == Marks(120, 110)


def test_move_from_other_marks_is_dropped_and_the_rows_are_written(marked: Store) -> None:
    result = marked.write(reading(1, 10, 110), moves=(move(expect=Marks(100, 91)),))
    assert (result.moved, result.dropped, marks(marked)) == ((), (7,), OLD)
    assert marked.row(1) == (10, None, 110)


def test_move_on_another_branch_is_dropped(marked: Store) -> None:
    chain.reorg(marked.conn, "ethereum", [], 1000, 0)
    assert marked.write(moves=(move(),)).dropped == (7,)
    assert marks(marked) == OLD
    assert marked.write(moves=(move(branch=1),)).moved == (7,)


def test_checkpoint_of_the_seed_has_no_confirmed_and_moves_all_the_same(store: Store) -> None:
    store.conn.execute("insert into eth_indexer_checkpoints (name, last_block) values ('audio_transfers', 100)")
    assert store.write(moves=(move(expect=OLD),)).dropped == (7,)
    assert store.write(moves=(move(expect=Marks(100, None)),)).moved == (7,)


def test_outcomes_of_an_older_branch_are_refused_and_nothing_of_them_is_written(marked: Store) -> None:
    chain.reorg(marked.conn, "ethereum", [], 1000, 0)
    touches = [Touch("AUDIO", wallet(n), 105, 105) for n in range(4)]
    result = marked.write(
        replace(reading(0, 10, 110), touch=touches[0]),
        covered=(Covered(touches[1], 0),),
        failed=(Failed(touches[2], "reverts", 0),),
        raised=(Raised(touches[3], 0),),
    )
    assert set(result.refused) == set(touches)
    assert result.updated == frozenset()
    assert marked.one("select count(*) from eth_wallet_balances") == (0,)
    assert marked.one("select count(*) from trueup_set_aside") == (0,)
    assert chain.remembered(marked.conn, "ethereum", 0) == []


def test_only_blocks_above_the_checkpoint_are_remembered(marked: Store) -> None:
    marked.write(reading(1, 10, 100), reading(2, 10, 101), reading(3, 10, 101))
    assert chain.remembered(marked.conn, "ethereum", 0) == [(101, HASH)]


def test_move_forgets_all_but_the_latest_closings_below_confirmed(marked: Store) -> None:
    chain.remember(marked.conn, "ethereum", [(number, HASH) for number in range(-300, 105)])
    marked.write(moves=(move(),))
    numbers = [number for number, _ in chain.remembered(marked.conn, "ethereum", -1000)]
    assert numbers == [*range(100 - 255, 105), 110]


def test_slowest_checkpoint_of_the_chain_keeps_its_blocks(marked: Store) -> None:
    marked.others["B"] = replace(marked.asset, name="B", table="b", checkpoint="b")
    checkpoint.create(marked.conn, "ethereum", "b", -200, None)
    chain.remember(marked.conn, "ethereum", [(number, HASH) for number in range(-500, 105)])
    marked.write(moves=(move(),))
    numbers = [number for number, _ in chain.remembered(marked.conn, "ethereum", -1000)]
    assert numbers == [*range(-200 - 255, 105), 110]


def test_failure_and_checkpoint_are_stored_together(marked: Store) -> None:
    marked.write(failed=(Failed(Touch("AUDIO", wallet(1), 105, 105), "reverts", 0),), moves=(move(),))
    assert set_aside.count(marked.conn, ["eth_wallet_balances"]) == 1
    assert marks(marked) == NEW


def test_value_that_a_column_cannot_hold_leaves_nothing_behind(marked: Store) -> None:
    marked.conn.execute("alter table eth_wallet_balances alter balance type numeric(10)")
    with pytest.raises(psycopg.DataError):
        marked.write(reading(1, 1, 110), reading(2, 10**20, 110), moves=(move(),))
    assert (marked.row(1), marks(marked)) == (None, OLD)


def test_empty_batch_is_nothing(store: Store) -> None:
    assert store.write().moved == ()
