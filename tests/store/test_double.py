"""The rules of the store, each by name, held by real Postgres and by the simulation's double; and any drawn sequence of units."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings

from actors.config import AssetConfig
from actors.messages import Covered, Failed, Marks, Move, Reading, Repair, Touch
from actors.store.postgres import Conn
from tests.simulation.tables import BEGAN, PLACEHOLDER, Row
from tests.store.double_drawn import STEPS
from tests.store.double_postgres import PostgresSide, a_conn, a_side  # noqa: F401  # fixtures
from tests.store.double_sides import BETA, GAMMA, DoubleSide, Side
from tests.store.double_steps import Step, said
from tests.store.scene import AUDIO, reading, wallet

ONE, TWO, THREE = wallet(1), wallet(2), wallet(3)
TABLE = AUDIO.table


def of(asset: AssetConfig, reading: Reading) -> Reading:
    """The same reading of another asset."""
    return replace(reading, touch=replace(reading.touch, asset=asset.name))


def covered(number: int, event: int | None, repair: Repair | None = None) -> Covered:
    return Covered(Touch("AUDIO", wallet(number), event or 0, event, repair=repair), 0)


# A row.


def test_value_block_and_time_move_together_and_only_to_a_block_that_is_not_older(side: Side) -> None:
    assert side.write(reading(1, 10, 200, event=100), now=60.0).updated == {("AUDIO", ONE)}
    assert side.contents()["rows"][TABLE, ONE] == (10, 100, 200, BEGAN - timedelta(seconds=60))
    assert side.write(reading(1, 99, 199)).updated == frozenset()
    assert side.contents()["rows"][TABLE, ONE] == (10, 100, 200, BEGAN - timedelta(seconds=60))
    assert side.write(reading(1, 11, 200)).updated == {("AUDIO", ONE)}
    assert side.contents()["rows"][TABLE, ONE] == (11, 100, 200, BEGAN)


def test_blocknumber_goes_up_by_its_own_rule(side: Side) -> None:
    side.write(reading(1, 10, 200))
    assert side.row(ONE) == (10, None, 200)
    side.write(reading(1, 99, 150, event=140))
    assert side.row(ONE) == (10, 140, 200)
    side.write(reading(1, 11, 210, event=130))
    assert side.row(ONE) == (11, 140, 210)


def test_row_of_another_program_takes_any_reading(side: Side) -> None:
    side.put_row(AUDIO, ONE, Row(5, 900, None, PLACEHOLDER))
    side.write(reading(1, 6, 100))
    assert side.row(ONE) == (6, 900, 100)


def test_reading_from_the_future_is_of_now(side: Side) -> None:
    side.write(reading(1, 10, 100, read_at=500.0), now=100.0)
    assert side.contents()["rows"][TABLE, ONE].updated_at == BEGAN


def test_balances_are_unbounded(side: Side) -> None:
    side.write(reading(1, 2**256 - 2, 100))
    assert side.row(ONE) == (2**256 - 2, None, 100)


@pytest.mark.parametrize("kept", [False, True])
def test_value_that_a_column_cannot_hold_leaves_nothing_behind(side: Side, kept: bool) -> None:
    """An insert is refused also where the row would have stayed as it is."""
    side.put_row(GAMMA, TWO, Row(5, None, 200 if kept else None, PLACEHOLDER))
    side.put_marks(AUDIO.checkpoint, Marks(100, 90))
    before = side.contents()
    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        side.write(
            reading(1, 1, 110),
            of(GAMMA, reading(2, 1000, 110)),
            failed=(Failed(Touch("AUDIO", THREE), "reverts", 0),),
            moves=(Move(1, "ethereum", AUDIO.checkpoint, 0, Marks(100, 90), Marks(110, 100), None),),
        )
    assert side.contents() == before


def test_update_that_does_not_move_the_value_is_not_refused_for_it(side: Side) -> None:
    side.put_row(BETA, ONE, Row(5, None, 200, PLACEHOLDER))
    assert side.write(of(BETA, reading(1, 1000, 110, event=110))).updated == frozenset()
    assert side.row(ONE, BETA) == (5, 110, 200)
    with pytest.raises(psycopg.errors.NumericValueOutOfRange):
        side.write(of(BETA, reading(1, 1000, 200)))


def test_under_table_rows_are_updated_and_none_is_made(side: Side) -> None:
    side.put_row(BETA, ONE, Row(5, None, None, PLACEHOLDER))
    result = side.write(of(BETA, reading(1, 6, 100, event=90)), of(BETA, reading(2, 7, 100)), of(GAMMA, reading(3, 8, 100)))
    assert result.updated == {("BETA", ONE), ("GAMMA", THREE)}
    assert [side.row(ONE, BETA), side.row(TWO, BETA), side.row(THREE, GAMMA)] == [(6, 90, 100), None, (8, None, 100)]


# Repairs and covered touches.


def test_repair_lowers_the_row_that_it_found_and_first_its_blocknumber(side: Side) -> None:
    side.write(reading(1, 10, 105, event=105), reading(2, 10, 105, event=90), reading(3, 10, 105))
    side.take(AUDIO, 100)
    result = side.write(*(reading(n, 7, 103, repair=side.taken["AUDIO", wallet(n)]) for n in (1, 2, 3)))
    assert result.updated == {("AUDIO", ONE), ("AUDIO", TWO), ("AUDIO", THREE)}
    assert [side.row(w) for w in (ONE, TWO, THREE)] == [(7, 100, 103), (7, 90, 103), (7, None, 103)]


@pytest.mark.parametrize(("block", "later"), [(105, 1), (106, 0)])
def test_repair_leaves_a_row_whose_time_or_block_is_another(side: Side, block: int, later: int) -> None:
    side.write(reading(1, 10, 105, event=105))
    side.take(AUDIO, 100)
    side.pass_time(later)
    side.write(reading(1, 11, block, event=104))
    assert side.write(reading(1, 7, 103, repair=side.taken["AUDIO", ONE])).updated == frozenset()
    assert side.row(ONE) == (11, 100, block)


def test_repair_with_an_event_raises_the_blocknumber_again_from_the_fork(side: Side) -> None:
    side.write(reading(1, 10, 105, event=105))
    side.take(AUDIO, 100)
    side.write(reading(1, 12, 107, event=102, repair=side.taken["AUDIO", ONE]))
    assert side.row(ONE) == (12, 102, 107)


def test_repair_of_a_row_that_is_gone_is_an_insert_but_under_table(side: Side) -> None:
    for asset in (AUDIO, BETA):
        side.put_row(asset, ONE, Row(1, 105, 105, BEGAN))
        side.take(asset, 100)
        side.delete_row(asset, ONE)
        side.write(of(asset, reading(1, 7, 103, repair=side.taken[asset.name, ONE])))
    assert [side.row(ONE), side.row(ONE, BETA)] == [(7, None, 103), None]


def test_covered_touches_move_only_the_blocknumber_whatever_their_order(side: Side) -> None:
    side.write(reading(1, 10, 200, event=190), reading(2, 10, 200, event=180), reading(3, 10, 200))
    fork = Repair(100, 200, BEGAN)
    side.write(
        covered=(covered(1, 150), covered(1, 140, fork), covered(1, 130), covered(2, 150), covered(3, None), covered(9, 150))
    )
    assert [side.row(w) for w in (ONE, TWO, THREE, wallet(9))] == [(10, 150, 200), (10, 180, 200), (10, None, 200), None]
    side.write(covered=(covered(3, None, fork), covered(2, None, fork)))
    assert [side.row(w) for w in (TWO, THREE)] == [(10, 100, 200), (10, None, 200)]


def test_repair_that_failed_lets_any_reading_from_the_fork_on_replace_the_row_that_it_found(side: Side) -> None:
    side.write(reading(1, 10, 105, event=105), reading(2, 10, 105), reading(3, 10, 105))
    side.take(AUDIO, 100)
    side.pass_time(1)
    side.write(reading(2, 11, 105))
    repairs = [side.taken["AUDIO", wallet(n)] for n in (1, 2, 3)]
    touches = [Touch("AUDIO", wallet(n), repair=repair) for n, repair in enumerate(repairs, 1)]
    touches[2] = replace(touches[2], repair=replace(repairs[2], fork=106))
    side.write(failed=tuple(Failed(touch, "reverts", 0) for touch in touches))
    assert [side.row(w) for w in (ONE, TWO, THREE)] == [(10, 105, 100), (11, None, 105), (10, None, 105)]


# Any sequence.


@pytest.mark.timeout(600)  # to find the shortest sequence that differs takes a while
@settings(max_examples=50, deadline=None, report_multiple_bugs=False, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_any_sequence_of_units_has_the_same_results_and_leaves_the_same_contents(conn: Conn, steps: list[Step]) -> None:
    real, double = PostgresSide(conn), DoubleSide()
    for step in steps:
        assert said(step, double) == said(step, real)
        assert double.contents() == real.contents()
