"""What is read of rows, which wallets are set aside, and who holds a role: the same rules for real Postgres and for the simulation's double."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from actors.config import AssetConfig
from actors.messages import Failed, Marks, Page, PageReading, PageResult, Raised, Touch
from actors.store import chain, holders, leases, pages, set_aside
from actors.store.pages import Selected
from actors.store.set_aside import Due
from tests.simulation.tables import BEGAN, PLACEHOLDER, Row
from tests.store.double_postgres import a_conn, a_side  # noqa: F401  # fixtures
from tests.store.double_sides import ASSETS, BETA, GAMMA, Side
from tests.store.scene import AUDIO, HASH, reading, wallet

ONE, TWO, THREE, FOUR = (wallet(n) for n in (1, 2, 3, 4))
ZERO = bytes(20)
HEX = wallet(0xAB)  # its text has an upper and a lower case
DAY = 86_400


def failed(event: int | None = 100, error: str = "reverts", number: int = 1) -> Failed:
    return Failed(Touch("AUDIO", wallet(number), event or 0, event), error, 0)


def raised(event: int | None) -> Raised:
    return Raised(Touch("AUDIO", ONE, event or 0, event), 0)


def aside(side: Side) -> Any:
    """Block, error, attempts and the seconds from the beginning to the next attempt."""
    block, error, attempts, at = side.contents()["aside"][AUDIO.table, ONE]
    return block, error, attempts, (at - BEGAN).total_seconds()


def put_rows(side: Side, asset: AssetConfig, ages: Sequence[int]) -> None:
    """Rows of wallets 1, 2, 3 and so on, so many seconds old; read at blocks 101, 102, 103."""
    for number, age in enumerate(ages, 1):
        side.put_row(asset, wallet(number), Row(7, None, 100 + number, BEGAN - timedelta(seconds=age)))


# Rows.


def test_look_up_tells_how_each_wallet_stands(side: Side) -> None:
    row = Row(7, 50, 60, BEGAN)
    for asset in (AUDIO, BETA, GAMMA):
        side.put_row(asset, ONE, row)
    side.write(failed=(failed(None, number=0xAB),))
    side.select([HEX])
    plain = holders.RowState(ONE, 60, 50, BEGAN, True, False)
    none = holders.RowState(HEX, None, None, PLACEHOLDER, True, False)
    for asset, expected in (
        (AUDIO, {ONE: plain, HEX: replace(none, aside=True), THREE: replace(none, wallet=THREE)}),
        (BETA, {ONE: plain}),
        (GAMMA, {ONE: replace(plain, tracked=False), HEX: none}),
    ):
        assert side.run(holders.look_up, asset, [ONE, HEX, THREE, ONE]) == expected
        assert side.run(holders.look_up, asset, []) == {}


def test_oldest_rows_come_first_but_for_those_set_aside_and_the_zero_address(side: Side) -> None:
    put_rows(side, AUDIO, [10, 30, 20, 40, 5])
    side.put_row(AUDIO, ZERO, Row(0, None, 900, PLACEHOLDER))
    side.write(failed=(failed(900, number=4),))
    assert side.run(pages.oldest_page, AUDIO, 3, None, 0, None) == page_of([ONE, TWO, THREE], 10, 1)
    assert side.run(holders.count, AUDIO) == 6


def page_of(wallets: list[bytes], ago: int, ties: int) -> Selected:
    return Selected(",".join("0x" + wallet.hex() for wallet in sorted(wallets)), len(wallets), BEGAN - timedelta(seconds=ago), ties)


def test_a_lap_comes_in_pages_from_a_time_on_past_rows_of_that_time_and_to_before_another(side: Side) -> None:
    put_rows(side, AUDIO, [20, 30, 10, 5])
    at = BEGAN - timedelta(seconds=20)
    assert side.run(pages.oldest_page, AUDIO, 2, None, 0, BEGAN) == page_of([TWO, ONE], 20, 1)
    assert side.run(pages.oldest_page, AUDIO, 9, at, 0, BEGAN) == page_of([ONE, THREE, FOUR], 5, 1)
    assert side.run(pages.oldest_page, AUDIO, 9, at, 1, BEGAN) == page_of([THREE, FOUR], 5, 1)
    assert side.run(pages.oldest_page, AUDIO, 9, None, 0, at) == page_of([TWO], 30, 1)
    assert side.run(pages.oldest_page, AUDIO, 9, BEGAN, 0, None) is None


def test_rows_of_one_age_are_told_apart_by_how_many_are_under_way(side: Side) -> None:
    put_rows(side, AUDIO, [20, 20, 20, 20])
    first = side.run(pages.oldest_page, AUDIO, 3, None, 0, BEGAN)
    assert first is not None
    rest = side.run(pages.oldest_page, AUDIO, 3, first.last, first.ties, BEGAN)
    assert rest is not None
    assert (first.ties, rest.ties) == (3, 1)
    assert sorted([*first.wallets.split(","), *rest.wallets.split(",")]) == ["0x" + w.hex() for w in (ONE, TWO, THREE, FOUR)]


def page_reading(side: Side, asset: AssetConfig, sums: dict[bytes, int], block: int, **more: Any) -> PageReading:
    wallets = ",".join("0x" + wallet.hex() for wallet in sorted(sums))
    page = Page(1, 1, asset.name, wallets, len(sums))
    balances = ",".join(hex(sums[wallet]) for wallet in sorted(sums))
    found = PageReading(page, wallets, balances, len(sums), block, HASH, 0, 0.0)
    return replace(found, **more)


@pytest.mark.parametrize("asset", [AUDIO, BETA, GAMMA], ids=["discover", "table", "select"])
def test_a_page_moves_the_values_that_are_not_older_and_leaves_the_events(side: Side, asset: AssetConfig) -> None:
    for one, block in ((ONE, None), (TWO, 99), (THREE, 100), (FOUR, 101)):
        side.put_row(asset, one, Row(5, 50, block, BEGAN - timedelta(hours=1)))
    sums = {ONE: 2**130, TWO: 0, THREE: 7, FOUR: 8, HEX: 9}
    if asset is not AUDIO:
        sums[ONE] = 6
    result = side.run(pages.write_page, page_reading(side, asset, sums, 100), ASSETS, float)
    inserted = asset is not BETA
    assert result == PageResult(3 + inserted, 0, None)
    rows = side.contents()["rows"]
    assert rows[asset.table, TWO][:3] == (0, 50, 100)
    assert rows[asset.table, ONE][:3] == (sums[ONE], 50, 100)
    assert rows[asset.table, FOUR] == (5, 50, 101, BEGAN - timedelta(hours=1))
    assert ((asset.table, HEX) in rows) is inserted


def test_a_page_of_an_older_branch_or_of_an_unknown_closed_block_is_refused_whole(side: Side) -> None:
    put_rows(side, AUDIO, [10])
    side.put_marks(AUDIO.checkpoint, Marks(100, 90))
    before = side.contents()
    assert side.run(pages.write_page, page_reading(side, AUDIO, {ONE: 5}, 100), ASSETS, float) == PageResult(None, 0, 100)
    assert side.contents()["rows"] == before["rows"]
    side.put_blocks("ethereum", [(100, HASH)])
    assert side.run(pages.write_page, page_reading(side, AUDIO, {ONE: 5}, 103), ASSETS, float) == PageResult(1, 0, 100)
    side.run(chain.reorg, "ethereum", [], 90, 0)
    assert side.run(pages.write_page, page_reading(side, AUDIO, {ONE: 6}, 104), ASSETS, float) == PageResult(None, 1, 100)


def test_rows_above_a_fork_come_in_wallet_order_tracked_or_not(side: Side) -> None:
    put_rows(side, GAMMA, [10, 20, 30, 40])
    side.put_row(GAMMA, wallet(5), Row(7, 900, None, BEGAN))
    side.put_row(GAMMA, ZERO, Row(7, 900, 900, BEGAN))
    assert [row.wallet for row in side.run(holders.above, GAMMA, 101, "", 2)] == [TWO, THREE]
    assert side.run(holders.above, GAMMA, 101, "0x" + THREE.hex(), 2) == [
        holders.RowState(FOUR, 104, None, BEGAN - timedelta(seconds=40), True, False)
    ]


def test_placeholders_are_made_for_addresses_without_a_row_a_bounded_number_at_once(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holders, "PLACEHOLDERS_AT_ONCE", 2)
    put_rows(side, GAMMA, [10])
    side.select([ZERO, ONE, TWO, THREE, FOUR])
    assert [side.run(holders.insert_placeholders, GAMMA) for _ in range(3)] == [2, 1, 0]
    assert side.contents()["rows"][GAMMA.table, THREE] == (0, None, None, PLACEHOLDER)
    assert [side.run(holders.insert_placeholders, asset) for asset in (AUDIO, BETA)] == [0, 0]


def test_a_tick_takes_new_addresses_first_and_as_many_as_the_target_asks_for(side: Side) -> None:
    put_rows(side, GAMMA, [10, 30, 20])
    side.select([FOUR])
    assert side.run(holders.prepare_tick, GAMMA, 30.0, 2) == 2
    page = side.run(pages.oldest_page, GAMMA, 2, None, 0, None)
    assert page is not None
    assert page.wallets == "0x" + TWO.hex() + ",0x" + FOUR.hex()
    assert side.run(holders.prepare_tick, replace(GAMMA, target_age_secs=0), 30.0, 3) == 3


# Set aside.


def test_delay_doubles_up_to_a_day_once_for_each_attempt_that_was_due(side: Side) -> None:
    side.write(failed=(failed(),))
    assert aside(side) == (100, "reverts", 1, 10)
    now, delay = 0, 10
    for attempts in range(2, 20):
        side.pass_time(delay)
        now, delay = now + delay, min(DAY, delay * 2)
        for _ in range(2):  # the second is a redelivery
            side.write(failed=(failed(),))
            assert aside(side) == (100, "reverts", attempts, now + delay)


def test_failures_of_one_batch_count_once_with_the_highest_block_and_the_last_error(side: Side) -> None:
    side.write(failed=(failed(110), failed(120, "second"), failed(None, "\0\ud800" + "x" * 1000)))
    assert aside(side) == (120, "?" + "x" * 499, 1, 10)


def test_a_touch_raises_the_block_and_nothing_else(side: Side) -> None:
    side.write(failed=(failed(None),))
    for blocks in ((150, None, 130), (140,), (None,)):
        side.write(raised=tuple(raised(block) for block in blocks))
        assert aside(side) == (150, "reverts", 1, 10)


def test_a_touch_of_a_wallet_that_was_freed_meanwhile_is_due_at_once(side: Side) -> None:
    side.pass_time(5)
    side.write(raised=(raised(None), raised(150)))
    assert aside(side) == (150, set_aside.NO_ERROR_YET, 0, 5)
    assert side.run(set_aside.due, [AUDIO.table], 9) == [Due(AUDIO.table, ONE, 150)]
    side.write(failed=(failed(140),))
    assert aside(side) == (150, "reverts", 1, 15)


@pytest.mark.parametrize(("waits", "block", "left"), [(100, 99, 1), (100, 100, 0), (None, 1, 0)])
def test_a_reading_frees_from_the_stored_block_on_also_where_the_row_is_newer(
    side: Side, waits: int | None, block: int, left: int
) -> None:
    side.put_row(AUDIO, ONE, Row(7, None, 500, BEGAN))
    side.write(reading(1, 10, block), failed=(failed(waits), failed(None, number=2)))
    assert side.run(set_aside.count, [AUDIO.table]) == left + 1
    assert side.run(set_aside.count, [BETA.table]) == 0


def test_a_reading_that_frees_brings_the_block_that_was_waited_for(side: Side) -> None:
    for asset in (AUDIO, BETA):
        side.put_row(asset, TWO, Row(7, 120, 90, BEGAN))
        side.put_row(asset, THREE, Row(7, None, 500, BEGAN))
    waits = (failed(100), failed(110, number=2), failed(105, number=3))
    side.write(failed=waits)
    side.write(*(reading(n, 10, 110, event=90) for n in (1, 2, 3)))
    assert [side.row(w) for w in (ONE, TWO, THREE)] == [(10, 100, 110), (10, 120, 110), (7, 105, 500)]
    assert side.row(THREE, BETA) == (7, None, 500)


def test_a_reorg_takes_the_blocks_that_are_waited_for_back_to_the_fork(side: Side) -> None:
    side.write(failed=(failed(105), failed(95, number=2), failed(None, number=3)))
    for tables, block in (([BETA.table], 105), ([BETA.table, AUDIO.table], 100)):
        side.run(chain.reorg, "ethereum", [], 100, side.run(chain.branch, "ethereum"), tables)
        side.run(chain.reorg, "ethereum", [], 50, 0, tables)  # somebody else was first
        assert side.run(set_aside.count, [AUDIO.table]) == 3
        assert [side.contents()["aside"][AUDIO.table, w][0] for w in (ONE, TWO, THREE)] == [block, 95, None]


def test_those_whose_time_has_come_are_due_longest_first(side: Side) -> None:
    side.write(failed=(failed(number=3),))
    side.pass_time(1)
    side.write(failed=(failed(number=2), failed(number=1), failed(number=4)))
    side.pass_time(9)
    assert [d.wallet for d in side.run(set_aside.due, [AUDIO.table], 9)] == [THREE]
    side.pass_time(1)
    assert [d.wallet for d in side.run(set_aside.due, [AUDIO.table], 3)] == [THREE, ONE, TWO]
    assert side.run(set_aside.due, [BETA.table], 9) == []


def test_some_of_the_set_aside_are_shown_with_their_errors(side: Side) -> None:
    side.write(failed=(failed(number=3), failed(number=1), failed(number=2)))
    shown = side.run(set_aside.shown, AUDIO.table, 2)
    at = (BEGAN + timedelta(seconds=10)).isoformat(timespec="seconds") + "Z"
    assert shown == [{"wallet": "0x" + w.hex(), "error": "reverts", "attempts": 1, "next_attempt": at} for w in (ONE, TWO)]
    assert side.run(set_aside.shown, BETA.table, 2) == []


# Roles.


def test_a_role_has_one_holder_until_its_lease_has_ended(side: Side) -> None:
    assert side.run(leases.hold, "a role", "a", 10.0)
    side.pass_time(6)
    assert side.run(leases.hold, "a role", "a", 10.0)
    side.pass_time(10)
    assert not side.run(leases.hold, "a role", "b", 10.0)
    side.pass_time(0.001)
    assert side.run(leases.hold, "a role", "b", 10.0)
    assert not side.run(leases.hold, "a role", "a", 10.0)


def test_all_roles_that_are_given_back_are_free_at_once_and_no_others(side: Side) -> None:
    for role, holder in (("one", "a"), ("two", "a"), ("three", "b")):
        side.run(leases.hold, role, holder, 10.0)
    side.run(leases.free, "a")
    assert [side.run(leases.hold, role, "c", 10.0) for role in ("one", "two", "three")] == [True, True, False]
