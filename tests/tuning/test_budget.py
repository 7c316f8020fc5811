"""What calls may cost, changed while they are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.tuning.scene import Scene

HUNGRY = {"sweeper.interval_secs": 1, "sweeper.batch_size": 60, "chain.holders_per_call": 2}
MINE = "[mine]\ndefault = 1\nwindow_secs = 1\n[mine.methods]\neth_call = {price}\n[plain]\n"


def facts(scene: Scene) -> dict[str, Any]:
    return scene.system.chains["sim"].budget.facts()


def spent(scene: Scene, method: str = "eth_call") -> tuple[int, int]:
    """Calls of the sweep, and their units, that are booked."""
    rows = [row for (_, _, actor, name), row in scene.tables.spend.items() if (actor, name) == ("sweeper", method)]
    return sum(row.calls for row in rows), sum(row.units for row in rows)


async def price(scene: Scene) -> float:
    """What a call of the sweep costs, of late."""
    await trio.sleep(8)
    calls, units = spent(scene)
    await trio.sleep(12)
    now = spent(scene)
    return (now[1] - units) / (now[0] - calls)


async def a_second(scene: Scene, secs: float = 20) -> float:
    """How many calls the node gets a second from now on."""
    before = len(scene.calls)
    await trio.sleep(secs)
    return (len(scene.calls) - before) / secs


async def test_as_many_units_are_spent_a_second_as_the_limit_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {**HUNGRY, "chain.compute_units_per_sec": 8})
    async with scene.running():
        for limit in (8, 24, 5):
            scene.tune({"chain.compute_units_per_sec": limit})
            await trio.sleep(2)
            assert 0.4 * limit < await a_second(scene) <= limit
        scene.tune({"chain.compute_units_per_sec": 0})
        assert await a_second(scene, 5) > 10
        assert facts(scene)["units_per_sec"] is None
    assert scene.crashes() == {}


async def test_the_sweep_stands_and_goes_by_the_months_cap_of_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {**HUNGRY, "chain.compute_units_per_month": 1})
    async with scene.running():
        await trio.sleep(30)
        assert facts(scene)["sweep_waits_for"] == "month"
        stood = spent(scene)[0]
        await trio.sleep(60)
        assert spent(scene)[0] == stood
        scene.tune({"chain.compute_units_per_month": 10**9})
        await trio.sleep(12)
        assert spent(scene)[0] > stood + 50
        scene.tune({"chain.compute_units_per_month": 1})
        await trio.sleep(6)
        stood = spent(scene)[0]
        await trio.sleep(60)
        assert spent(scene)[0] <= stood + 4
        scene.tune({"chain.compute_units_per_month": 0})
        await trio.sleep(12)
        assert spent(scene)[0] > stood + 50
    assert scene.crashes() == {}


async def test_a_month_begins_on_the_day_that_month_starts_on_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    """The scene's time begins with the first of January."""
    scene = Scene(tmp_path, {**HUNGRY, "chain.compute_units_per_month": 10**6})
    async with scene.running():
        left, rate = facts(scene)["month_secs_left"], facts(scene)["sweep_units_per_sec"]
        assert left == pytest.approx(31 * 86_400, abs=200)
        scene.tune({"chain.month_starts_on": 8})
        await trio.sleep(12)
        assert facts(scene)["month_secs_left"] == pytest.approx(7 * 86_400, abs=200)
        assert facts(scene)["sweep_units_per_sec"] > 3 * rate  # as much in a quarter of the time
    assert scene.crashes() == {}


async def test_calls_cost_what_the_prices_of_now_say(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {**HUNGRY, "chain.compute_units_per_sec": 500})
    async with scene.running():
        assert await price(scene) == 1
        scene.tune({"chain.prices": "alchemy"})
        assert await price(scene) == 26
        assert await a_second(scene) <= 500 / 20
    assert scene.crashes() == {}


async def test_calls_cost_what_the_price_file_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    (tmp_path / "mine.toml").write_text(MINE.format(price=3))
    scene = Scene(tmp_path, HUNGRY)
    async with scene.running():
        assert await price(scene) == 1
        assert [change.key for change in scene.tune({"budget.prices_file": "mine.toml", "chain.prices": "mine"}).tuned] == [
            "budget.prices_file",
            "chain.sim.prices",
        ]
        assert await price(scene) == 3
        (tmp_path / "mine.toml").write_text(MINE.format(price=7))
        (change,) = scene.tune({}).tuned
        assert str(change) == 'budget.prices_file "mine.toml" -> "mine.toml", which has changed'
        assert await price(scene) == 7
    assert scene.crashes() == {}
