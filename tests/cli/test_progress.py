"""The line that long commands show."""

from __future__ import annotations

import io
import time

import pytest

from actors.cli.progress import Progress


class Clock:
    """A time that passes when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_rate_and_time_left_are_of_what_was_done_since_the_beginning(clock: Clock) -> None:
    progress = Progress("sweep A", "wallets", io.StringIO())
    progress.at(0, 1000)
    clock.now += 10
    assert progress.line(200, 1000) == "sweep A [######                        ]  20%  200/1000 wallets  20/s  40s left"


def test_what_an_earlier_run_has_done_says_nothing_of_the_rate(clock: Clock) -> None:
    progress = Progress("backfill A", "blocks", io.StringIO())
    progress.at(900_000, 1_000_000)
    clock.now += 10
    assert progress.line(901_000, 1_000_000).endswith("90%  901000/1000000 blocks  100/s  16m30s left")


def test_what_goes_back_has_no_rate(clock: Clock) -> None:
    progress = Progress("backfill A", "blocks", io.StringIO())
    progress.at(100, 1000)
    clock.now += 10
    assert progress.line(90, 1000).endswith("90/1000 blocks  0/s  ? left")


def test_where_there_is_no_terminal_each_tenth_is_a_line(clock: Clock) -> None:
    shown = io.StringIO()
    progress = Progress("backfill A", "blocks", shown)
    for done in range(101):
        progress.at(done, 100)
    assert [line.split("]")[1].split()[0] for line in shown.getvalue().splitlines()] == [f"{tenth}0%" if tenth else "0%" for tenth in range(11)]


def test_where_there_is_no_terminal_a_slow_tenth_has_lines_of_its_own(clock: Clock) -> None:
    shown = io.StringIO()
    progress = Progress("sweep A", "wallets", shown)
    for done in range(100):
        progress.at(done, 10_000)
        clock.now += 10
    assert len(shown.getvalue().splitlines()) == 34


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_in_a_terminal_the_line_is_never_wider_than_it(clock: Clock, columns: int) -> None:
    progress = Progress("sweep AUDIO", "wallets", io.StringIO())
    progress.at(0, 3_150_000)
    clock.now += 10
    line = progress.line(1_234_567, 3_150_000, columns)
    assert len(line) < columns
    assert ("[" in line) is (columns > 70)


def test_before_anything_is_done_the_time_left_is_not_known(clock: Clock) -> None:
    assert Progress("sweep A", "wallets", io.StringIO()).line(0, 10).endswith("? left")
