"""Branches, remembered blocks and checkpoints."""

from __future__ import annotations

import threading

import pytest

from actors.messages import Marks
from actors.store import chain, checkpoint
from actors.store.postgres import Conn, connect
from tests.store.scene import HASH, Store


def block(number: int, mark: int = 1) -> tuple[int, bytes]:
    return number, mark.to_bytes(32, "big")


@pytest.fixture
def conn(store: Store) -> Conn:
    return store.conn


def test_chain_begins_at_branch_0(conn: Conn) -> None:
    assert [chain.branch(conn, "base"), chain.branch(conn, "base")] == [0, 0]


def test_branches_of_new_chains_can_be_shared(conn: Conn) -> None:
    with conn.transaction():
        assert chain.share_branches(conn, ["ethereum", "base"]) == {"base": 0, "ethereum": 0}


def test_reorg_waits_for_writers_and_no_writer_waits_for_another(store: Store) -> None:
    done = threading.Event()
    chain.branch(store.conn, "ethereum")

    def reorg() -> None:
        with connect(store.url) as conn:
            chain.reorg(conn, "ethereum", [], 5, 0)
        done.set()

    with connect(store.url) as first, connect(store.url) as second, first.transaction(), second.transaction():
        chain.share_branches(first, ["ethereum"])
        chain.share_branches(second, ["ethereum"])
        thread = threading.Thread(target=reorg)
        thread.start()
        while store.one("select count(*) from pg_stat_activity where wait_event_type = 'Lock'") == (0,):
            assert not done.is_set()
    thread.join()
    assert chain.branch(store.conn, "ethereum") == 1


def test_reorg_takes_the_checkpoints_above_the_fork_back_to_it(conn: Conn) -> None:
    for name, last, confirmed in (("above", 110, 105), ("astride", 110, 90), ("below", 100, 90), ("seed", 110, None)):
        conn.execute(
            "insert into eth_indexer_checkpoints (name, last_block, confirmed) values (%s, %s, %s)", [name, last, confirmed]
        )
    checkpoint.create(conn, "ethereum", "another chain's", 500, HASH)
    assert chain.reorg(conn, "ethereum", ["above", "astride", "below", "seed"], 100, 0) == (1, True)
    assert chain.reorg(conn, "ethereum", ["above"], 100, 1) == (2, True)
    assert chain.reorg(conn, "ethereum", ["astride"], 50, 1) == (2, False)  # somebody else was first: nothing changes
    names = ["above", "astride", "below", "seed", "another chain's"]
    assert [checkpoint.load(conn, name) for name in names] == [
        Marks(100, 100),
        Marks(100, 90),
        Marks(100, 90),
        Marks(100, None),
        Marks(500, 500),
    ]


def test_reorg_takes_back_the_checkpoints_of_backfills_too_and_of_no_other_assets(conn: Conn) -> None:
    own, others = ["a_%", "a_%:backfill:0", "a_%:backfill:90"], ["ab:backfill:0", "a_%:backfills", "b:a_%:backfill:0"]
    for name in own + others:
        checkpoint.create(conn, "ethereum", name, 110, HASH)
    chain.reorg(conn, "ethereum", ["a_%"], 100, 0)
    assert [checkpoint.load(conn, name) for name in own] == [Marks(100, 100)] * 3
    assert [checkpoint.load(conn, name) for name in others] == [Marks(110, 110)] * 3


def test_blocks_above_a_mark_and_the_newest_below_are_remembered(conn: Conn) -> None:
    chain.remember(conn, "ethereum", [block(9), block(10), block(11), block(11, 2), block(11)])
    chain.remember(conn, "ethereum", [block(11), block(5)])
    chain.remember(conn, "base", [block(10)])
    chain.remember(conn, "base", [])
    assert chain.remembered(conn, "ethereum", 10) == [block(10), block(11), block(11, 2)]
    assert chain.remembered(conn, "ethereum", 8) == [block(5), block(9), block(10), block(11), block(11, 2)]
    assert chain.remembered(conn, "ethereum", 4) == [block(5), block(9), block(10), block(11), block(11, 2)]
    assert chain.remembered(conn, "ethereum", 99) == [block(11), block(11, 2)]


def test_orphaned_blocks_are_forgotten_by_number_and_hash(conn: Conn) -> None:
    chain.remember(conn, "ethereum", [block(10), block(11), block(11, 2)])
    chain.reorg(conn, "ethereum", [], 9, 0)
    chain.forget(conn, "ethereum", [block(11), block(10, 2)], 1)
    chain.forget(conn, "ethereum", [], 1)
    chain.forget(conn, "ethereum", [block(10)], 2)  # of another branch than the chain is on
    assert chain.remembered(conn, "ethereum", 0) == [block(10), block(11, 2)]


def test_an_orphaned_block_that_something_was_read_at_since_the_reorg_is_not_forgotten(conn: Conn) -> None:
    chain.remember(conn, "ethereum", [block(10), block(11)])
    chain.reorg(conn, "ethereum", [], 9, 0)
    chain.remember(conn, "ethereum", [block(11)])
    chain.forget(conn, "ethereum", [block(10), block(11)], 1)
    assert chain.remembered(conn, "ethereum", 0) == [block(11)]


def test_prune_keeps_what_is_above_and_some_below(conn: Conn) -> None:
    chain.remember(conn, "ethereum", [block(number) for number in range(1, 11)])
    chain.prune(conn, "ethereum", 7, keep=2)
    chain.prune(conn, "ethereum", 7, keep=9)
    assert [number for number, _ in chain.remembered(conn, "ethereum", 0)] == [6, 7, 8, 9, 10]


def test_first_boot_stores_the_head_as_both_marks_once(conn: Conn) -> None:
    assert checkpoint.load(conn, "audio") is None
    checkpoint.create(conn, "ethereum", "audio", 100, HASH)
    checkpoint.create(conn, "ethereum", "audio", 200, HASH)
    assert checkpoint.load(conn, "audio") == Marks(100, 100)


def test_checkpoint_without_a_block_is_filled(conn: Conn) -> None:
    conn.execute("insert into eth_indexer_checkpoints (name) values ('audio')")
    assert checkpoint.load(conn, "audio") is None
    checkpoint.create(conn, "ethereum", "audio", 100, HASH)
    assert checkpoint.load(conn, "audio") == Marks(100, 100)


def test_move_of_a_checkpoint_that_is_not_there_fails(conn: Conn) -> None:
    assert not checkpoint.move(conn, "audio", Marks(1, 1), Marks(2, 1))
