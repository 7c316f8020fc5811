"""The freshness actor: measures, rests, takes no harm, and has `/readyz` name an objective that cannot be met before any row is too old."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trio
import trio.testing

from actors.age.ages import Ages, bucket_of
from actors.budget.forecast import Sweep, forecast
from actors.budget.prices import Prices
from actors.child import ChildSpec
from actors.config import AssetConfig, SupervisorConfig
from actors.errors import StoreDown
from actors.evm.source import Source
from actors.freshness import JUDGE_EVERY_SECS, LONGEST_REST_SECS, REST, Watched, run
from actors.pace import pace
from actors.ports import Store
from actors.sandbox.town import Town
from actors.supervisor import Supervisor
from actors.system import System
from actors.view import AssetView, ServiceView
from tests.alerts.promtool import firing, scrape
from tests.postgres_world import reasons, restarts, says
from tests.world import World, eventually, followed, running

TARGET = 60.0


class Tables:
    """A Postgres that takes so long, and says `failure` instead while there is one."""

    def __init__(self, secs: float = 0.01) -> None:
        self.secs, self.asked_at = secs, list[float]()
        self.failure: Exception | None = None
        self.ages: Ages | None = Ages(((bucket_of(40.0), 100),), 100, 0, 40.0)

    async def run(self, fn: Callable[..., Any], *args: Any) -> Any:
        self.asked_at.append(trio.current_time())
        await trio.sleep(self.secs)
        if self.failure is not None:
            raise self.failure
        return self.ages

    async def aclose(self) -> None:
        """Nothing is open."""


class Scene:
    """The actor over such a Postgres."""

    def __init__(self, tables: Tables, target: float = TARGET) -> None:
        self.tables, self.service = tables, ServiceView({}, {})
        self.view = AssetView("AUDIO", "ethereum")
        paced = pace(100, target, 30, 50)
        self.view.forecast = lambda: forecast(Sweep(100, paced, 200, 0, target), Prices("plain", 1, 1), float("inf")).shown("AUDIO")
        asset = AssetConfig("AUDIO", "ethereum", "balances", "audio", (Source(None, None),), target_age_secs=target)
        self.watched = [Watched({asset.name: asset}, self.view)]
        self.supervisor = Supervisor([ChildSpec("freshness", self._run)], SupervisorConfig())

    async def _run(self, *, task_status: trio.TaskStatus[None]) -> None:
        await run(self.watched, Store(self.tables, self.service), task_status=task_status)


async def test_the_ages_are_shown_and_measured_again_and_again(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(Tables())
    await nursery.start(scene.supervisor.run)
    await trio.sleep(JUDGE_EVERY_SECS * 10.5)
    assert scene.view.age is not None
    assert (scene.view.age["rows"], scene.view.age["max_secs"]) == (100, 40.0)
    assert len(scene.tables.asked_at) >= 10
    await scene.supervisor.stop(1)


@pytest.mark.parametrize("secs", [0.5, 2.0])
async def test_what_takes_long_is_measured_the_more_rarely(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, secs: float
) -> None:
    scene = Scene(Tables(secs), target=0)
    await nursery.start(scene.supervisor.run)
    await trio.sleep(3 * LONGEST_REST_SECS)
    asked = scene.tables.asked_at
    assert min(after - before for before, after in pairwise(asked)) >= REST * secs
    await scene.supervisor.stop(1)


@pytest.mark.parametrize(("secs", "target", "rest"), [(2.0, 3600.0, 180.0), (2.0, 60.0, 20.0), (0.01, 3600.0, 2.0)])
async def test_a_target_is_measured_for_often_enough_to_be_judged_and_takes_a_tenth_of_the_time_at_most(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, secs: float, target: float, rest: float
) -> None:
    scene = Scene(Tables(secs), target)
    await nursery.start(scene.supervisor.run)
    await trio.sleep(10 * rest)
    gaps = [after - before for before, after in pairwise(scene.tables.asked_at)]
    assert rest <= min(gaps) <= max(gaps) <= rest + secs + JUDGE_EVERY_SECS
    await scene.supervisor.stop(1)


async def test_ages_that_cannot_be_measured_any_more_say_nothing_and_that_is_said_before_a_row_can_have_passed_its_target(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    scene = Scene(Tables(), target=1000)
    await nursery.start(scene.supervisor.run)
    await trio.sleep(60)
    assert scene.view.objective is not None
    assert scene.view.objective.state == "met"
    scene.tables.ages = None  # Postgres takes too long over it
    await trio.sleep(300)
    assert (scene.view.objective.state, scene.view.objective.at_risk) == ("unknown", True)
    assert "Postgres takes longer over it" in (scene.view.objective.why or "")
    scene.tables.ages = Ages(((bucket_of(40.0), 100),), 100, 0, 40.0)
    await trio.sleep(60)
    assert scene.view.objective.state == "met"
    await scene.supervisor.stop(1)


@pytest.mark.parametrize("failure", [StoreDown("database: connection refused"), psycopg.errors.InsufficientPrivilege("permission denied")])
async def test_what_cannot_be_measured_is_said_and_tried_again_and_neither_a_crash_nor_an_outage(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene(Tables())
    scene.tables.failure = failure
    await nursery.start(scene.supervisor.run)
    await trio.sleep(60)
    assert scene.view.age_error == str(failure)
    assert scene.view.age is None
    assert scene.service.store_ok
    assert scene.supervisor.children["freshness"].restarts == 0
    assert sum("cannot be measured" in record.getMessage() for record in caplog.records) == 1
    scene.tables.failure = None
    await trio.sleep(60)
    assert scene.view.age is not None
    assert scene.view.age_error is None
    await scene.supervisor.stop(1)


async def test_a_kill_forgets_neither_the_ages_nor_since_when_the_service_runs(
    nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    scene = Scene(Tables())
    scene.tables.ages = Ages(((bucket_of(900.0), 100),), 100, 0, 900.0)
    await nursery.start(scene.supervisor.run)
    states = []
    for _ in range(20):
        await trio.sleep(TARGET / 10)
        scene.supervisor.kill("freshness")
        states.append(scene.view.objective.state if scene.view.objective else None)
    assert states[0] == "behind"
    assert states[-1] == "missed"
    await scene.supervisor.stop(1)


async def test_without_a_target_there_is_no_objective(nursery: trio.Nursery, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(Tables(), target=0)
    await nursery.start(scene.supervisor.run)
    await trio.sleep(60)
    assert scene.view.age is not None
    assert scene.view.objective is None
    await scene.supervisor.stop(1)


@pytest.mark.long
async def test_an_unreachable_target_is_named_by_readyz_and_by_its_alert_before_any_row_is_too_old(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    # 40,000 rows at 200 a call, and less than three calls a second, take more than a minute.
    budget = "poll_interval_secs = 2\nholders_per_call = 200\ncompute_units_per_sec = 3"
    world = World(tmp_path, database_url, town, ws=False, chain=budget, asset="target_age_secs = 60")
    async with running(world) as system:
        asset = system.view.assets["TOWN"]
        await followed(world)
        await eventually(lambda: asset.objective is not None, "the first verdict")
        assert asset.objective is not None
        assert asset.objective.state == "met"
        await eventually(lambda: not reasons(system), "readiness")
        healthy = _page(system)
        new = "SELECT '0x' || lpad(to_hex(1000000 + i), 40, '0') FROM generate_series(1, 40000) i"
        await trio.to_thread.run_sync(world.query, f"INSERT INTO eth_wallet_balances (wallet) {new}")
        await says(system, "asset TOWN: a sweep takes", "the target is 60 s", "units a second")
        assert asset.objective.state == "unreachable"
        assert world.query("SELECT 1 FROM eth_wallet_balances WHERE updated_at < now()::timestamp - interval '60 s'") == []
        assert restarts(system) == {}
        firing(tmp_path, healthy, [_page(system)] * 7, {7: ["TrueupRowsTooOld"]})


def _page(system: System) -> dict[str, float]:
    system.metrics.observe(system.view, trio.current_time())
    return scrape(system.metrics.render())
