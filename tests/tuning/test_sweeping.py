"""The sweep, its target age and the audit, changed while they go on."""

from __future__ import annotations

from pathlib import Path

import trio
import trio.testing

from tests.simulation.judge import TABLE
from tests.tuning.scene import AUDIT, Scene

NEVER = 3000  # seconds, of virtual time


async def ticks(scene: Scene, secs: float) -> int:
    """How many ticks of the sweep are completed within so many seconds from now on."""
    asset = scene.system.view.assets["SIM"]
    before = asset.ticks
    await trio.sleep(secs)
    return asset.ticks - before


def oldest_secs(scene: Scene) -> float:
    return max((scene.tables.now() - row.updated_at).total_seconds() for row in scene.tables.rows(TABLE).values())


async def test_ticks_come_as_often_as_interval_secs_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {"sweeper.interval_secs": NEVER})
    async with scene.running():
        assert await ticks(scene, 100) == 0
        scene.tune({"sweeper.interval_secs": 4})
        assert await ticks(scene, 1) == 1  # at once, though the timer had begun; and what it was late by is not made up for
        assert 10 <= await ticks(scene, 44) <= 12
        scene.tune({"sweeper.interval_secs": NEVER})
        assert await ticks(scene, 100) == 0
    assert scene.crashes() == {}


async def test_a_tick_takes_as_many_rows_as_batch_size_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path)
    async with scene.running() as system:
        for rows in (20, 7, 50):
            scene.tune({"sweeper.batch_size": rows})
            await trio.sleep(12)
            assert system.view.assets["SIM"].tick_requested == rows
            forecast = system.view.assets["SIM"].forecast()
            assert forecast is not None
            assert forecast["tick_rows"] == rows
    assert scene.crashes() == {}


async def test_rows_are_kept_as_young_as_target_age_secs_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {"sweeper.interval_secs": 20, "sweeper.batch_size": 1})
    async with scene.running() as system:
        asset = system.view.assets["SIM"]
        await trio.sleep(120)
        assert oldest_secs(scene) > 90
        assert asset.objective is None
        for target in (60, 30):
            scene.tune({"asset.target_age_secs": target})
            await trio.sleep(2.5 * target)
            for _ in range(10):
                await trio.sleep(7)
                assert oldest_secs(scene) < target
            assert asset.objective is not None
            assert (asset.objective.target_secs, asset.objective.state) == (target, "met")
            assert (asset.forecast() or {})["meets_target"] is True
        scene.tune({"asset.target_age_secs": 0})
        await trio.sleep(120)
        assert oldest_secs(scene) > 90
        assert asset.objective is None
    assert scene.crashes() == {}


async def test_as_many_rows_are_audited_as_rows_a_minute_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {**AUDIT, "audit.rows_a_minute": 1})
    async with scene.running() as system:

        async def checked(secs: float) -> float:
            counter = system.metrics.audit_checked.labels("SIM")._value
            before = counter.get()
            await trio.sleep(secs)
            return float(counter.get() - before)

        assert await checked(100) <= 3
        scene.tune({"audit.rows_a_minute": 120})
        assert await checked(11) > 0  # the timer that had begun is a minute long
        assert 100 <= await checked(60) <= 140
        scene.tune({"audit.rows_a_minute": 6})
        assert await checked(60) <= 8
        assert (system.view.assets["SIM"].audit() or {})["wrong"] == 0
    assert scene.crashes() == {}
