"""Wallets that are set aside, and how they come back."""

from __future__ import annotations

import pytest

from actors.messages import Failed, Raised, Touch
from actors.store import set_aside
from actors.store.set_aside import Due
from tests.store.scene import Store, oldest, reading, wallet

TABLE = "eth_wallet_balances"


def failed(event: int | None = 100, error: str = "reverts") -> Failed:
    return Failed(Touch("AUDIO", wallet(1), event or 0, event), error, 0)


def raised(event: int | None) -> Raised:
    return Raised(Touch("AUDIO", wallet(1), event or 0, event), 0)


def stored(store: Store) -> tuple[int, str, int, float]:
    """Block, error, attempts and the seconds until the next attempt."""
    row = store.one(
        "select block, error, attempts, extract(epoch from next_attempt - clock_timestamp())::float8 from trueup_set_aside"
    )
    assert row is not None
    return row[0], row[1], row[2], row[3]


def pass_delay(store: Store) -> None:
    store.conn.execute("update trueup_set_aside set next_attempt = clock_timestamp()")


def test_first_delay_is_ten_seconds(store: Store) -> None:
    store.write(failed=(failed(),))
    block, error, attempts, delay = stored(store)
    assert (block, error, attempts) == (100, "reverts", 1)
    assert 0 < delay <= 10


def test_delay_doubles_up_to_a_day(store: Store) -> None:
    store.write(failed=(failed(),))
    for attempts in range(2, 25):
        pass_delay(store)
        store.write(failed=(failed(),))
        longest = min(86400, 10 * 2 ** (attempts - 1))
        assert stored(store)[2] == attempts
        assert longest - 9 < stored(store)[3] <= longest


def test_redelivery_does_not_double_the_delay(store: Store) -> None:
    store.write(failed=(failed(),))
    store.write(failed=(failed(120, "reverts again"), failed(110)))
    block, _, attempts, delay = stored(store)
    assert (block, attempts) == (120, 1)
    assert delay <= 10


def test_touch_raises_the_block_and_nothing_else(store: Store) -> None:
    store.write(failed=(failed(None),))
    assert stored(store)[0] is None
    store.write(raised=(raised(150),))
    store.write(raised=(raised(130), raised(None)))
    assert stored(store)[:3] == (150, "reverts", 1)


def test_touch_of_a_wallet_that_was_freed_meanwhile_is_due_at_once(store: Store) -> None:
    store.write(raised=(raised(150),))
    assert set_aside.due(store.conn, [TABLE], 10) == [Due(TABLE, wallet(1), 150)]
    store.write(failed=(failed(150),))
    assert stored(store)[2] == 1
    assert 0 < stored(store)[3] <= 10


def test_only_rows_whose_time_has_come_are_due(store: Store) -> None:
    store.write(failed=(failed(),))
    assert set_aside.due(store.conn, [TABLE], 10) == []
    pass_delay(store)
    assert set_aside.due(store.conn, [TABLE], 10) == [Due(TABLE, wallet(1), 100)]
    assert set_aside.due(store.conn, ["another"], 10) == []


@pytest.mark.parametrize(("block", "left"), [(99, 1), (100, 0), (101, 0)])
def test_reading_frees_a_wallet_from_its_block_on(store: Store, block: int, left: int) -> None:
    store.write(failed=(failed(100),))
    store.write(reading(1, 10, block))
    assert set_aside.count(store.conn, [TABLE]) == left


def test_any_reading_frees_a_wallet_that_no_event_waits_for(store: Store) -> None:
    store.write(failed=(failed(None),))
    store.write(reading(2, 10, 1))
    assert set_aside.count(store.conn, [TABLE]) == 1
    store.write(reading(1, 10, 1))
    assert set_aside.count(store.conn, [TABLE]) == 0


def test_sweep_passes_over_it(store: Store) -> None:
    store.write(reading(1, 10, 1), reading(2, 10, 1))
    store.write(failed=(failed(),))
    assert oldest(store, 10) == [wallet(2)]


def test_error_of_any_text_can_be_stored(store: Store) -> None:
    store.write(failed=(failed(error="\0\ud800" + "x" * 1000),))
    assert stored(store)[1] == "?" + "x" * 499
