"""How long events take to reach their rows."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from actors import ports
from actors.histogram import Histogram
from actors.latency import KEPT_BLOCKS, KEPT_EVENTS, BlockTimes, EventToRow
from actors.sandbox.town import Town
from actors.system import System
from tests.test_backfill import backfill
from tests.views import header
from tests.world import BY_NAME, Mode, World, eventually, followed, running

FAR = 1_700_000_000


def known(*blocks: tuple[int, int]) -> BlockTimes:
    times = BlockTimes()
    for number, timestamp in blocks:
        times.saw(replace(header(number), timestamp=timestamp))
    return times


def test_a_block_whose_header_came_by_has_its_own_time() -> None:
    assert known((10, 100), (11, 112)).at(11) == 112


def test_between_and_before_known_blocks_time_is_taken_as_even() -> None:
    times = known((20, 1000), (10, 880), (30, 1240))
    assert [times.at(number) for number in (15, 25, 5)] == [940, 1120, 820]


def test_of_a_block_newer_than_all_or_of_one_known_block_alone_nothing_is_said() -> None:
    assert known((10, 100), (11, 112)).at(12) is None
    assert known((10, 100)).at(9) is None
    assert BlockTimes().at(1) is None


def test_a_reorg_gives_a_number_its_new_time() -> None:
    assert known((10, 100), (10, 103)).at(10) == 103


@given(st.lists(st.integers(0, 10_000)))
def test_block_times_are_bounded_and_keep_the_newest(numbers: list[int]) -> None:
    times = known(*[(number, 12 * number) for number in numbers])
    assert len(times._times) == len(times._numbers) <= KEPT_BLOCKS
    assert sorted(times._times) == times._numbers
    for number in numbers:
        assert times.at(number) == pytest.approx(12 * number) or len(set(numbers)) == 1


def test_each_wallet_counts_and_the_latest_are_kept() -> None:
    histogram = Histogram("x_seconds", "x", (1, 10))
    latency = EventToRow("AUDIO", histogram)
    assert latency.shown() is None
    latency.committed({10: 99, 11: 1}, known((10, 100), (11, 50)), 102.0)
    assert latency.shown() == {"p50_secs": 2.0, "p99_secs": 2.0, "count": 100}
    latency.committed({11: 1}, known((11, 50)), 102.0)
    assert (latency.shown() or {})["p99_secs"] == 52.0
    for _ in range(2 * KEPT_EVENTS):
        latency.committed({10: 1}, known((10, 100)), 101.0)
    assert latency.shown() == {"p50_secs": 1.0, "p99_secs": 1.0, "count": KEPT_EVENTS}


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(1, 1000))))
def test_many_at_once_count_as_each_by_itself(observed: list[tuple[float, int]]) -> None:
    registry = CollectorRegistry()
    histogram = Histogram("x_seconds", "x", (1, 10, 50))
    registry.register(histogram)
    histogram.expect(["AUDIO"])
    for value, count in observed:
        histogram.observe("AUDIO", value, count)
    page = generate_latest(registry).decode()
    for bound in (1.0, 10.0, 50.0):
        below = sum(count for value, count in observed if value <= bound)
        assert f'x_seconds_bucket{{asset="AUDIO",le="{bound}"}} {float(below)}' in page
    assert f'x_seconds_count{{asset="AUDIO"}} {float(sum(count for _, count in observed))}' in page


def events(system: System) -> int:
    """How many wallets' events were timed."""
    return sum(system.metrics.event_to_row_seconds._counts["TOWN"])


@pytest.fixture(params=BY_NAME)
def mode(request: pytest.FixtureRequest) -> Mode:
    return BY_NAME[request.param]


async def test_live_events_are_timed_from_their_block_to_their_row(tmp_path: Path, database_url: str, town: Town, mode: Mode) -> None:
    world = World(tmp_path, database_url, town, **mode)
    async with running(world) as system:
        await followed(world)
        await eventually(lambda: system.view.assets["TOWN"].last_closed_at is not None, "the first closing")
        town.traffic(20)
        await eventually(world.is_true, "true rows")
        await eventually(lambda: events(system) >= len(world.rows()), "a time for each row")
        shown = system.view.assets["TOWN"].event_to_row()
        assert shown is not None
        assert 0 <= shown["p50_secs"] <= shown["p99_secs"] < 60


async def test_events_of_a_downtime_count_as_old_as_they_are_and_each_once(
    tmp_path: Path, database_url: str, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path, database_url, town, ws=False, chain="poll_interval_secs = 0.1")
    async with running(world):
        await followed(world)
    town.traffic(20)
    town.mine()
    monkeypatch.setattr(ports, "time", SimpleNamespace(time=lambda: time.time() + 7200))
    async with running(world) as system:
        for _ in range(3):  # of closings, which ask for it again
            await eventually(world.is_true, "true rows")
            town.mine()
        await eventually(world.is_true, "true rows")
        shown = system.view.assets["TOWN"].event_to_row()
        assert shown is not None
        assert 7200 <= shown["p50_secs"] <= shown["p99_secs"] < 7300
        assert shown["count"] == events(system) == len(world.rows())


async def test_a_backfill_is_no_event(tmp_path: Path, database_url: str, town: Town) -> None:
    world = World(tmp_path, database_url, town, ws=False)
    town.traffic(20)
    town.mine()
    async with backfill(world) as job:
        await job.ends()
        assert len(world.rows()) > 5
        assert events(job.system) == 0
