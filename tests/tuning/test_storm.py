"""Any config files at any moments, while nodes and Postgres misbehave and actors die: no touch is lost, and nothing stale is written."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from tests.simulation.process import Reaper
from tests.simulation.weather import Weather
from tests.tuning.scene import AUDIT, LEDGER, Scene

TUNABLE: dict[str, tuple[Any, ...]] = {
    "chain.follow": ("logs", "heads"),
    "chain.confirm_secs": (1, 6, 40),
    "chain.poll_interval_secs": (1, 10),
    "chain.stall_secs": (5, 60),
    "chain.max_log_blocks": (1, 7, 500),
    "chain.holders_per_call": (1, 5, 100),
    "chain.calls_in_flight": (1, 2, 8),
    "chain.reads": ("auto", "packed", "multicall3", "deployless", "single"),
    "chain.prices": ("plain", "alchemy", "quicknode"),
    "chain.compute_units_per_sec": (0, 300, 2000),
    "chain.compute_units_per_month": (0, 10**6, 10**9),
    "chain.month_starts_on": (1, 15),
    "asset.target_age_secs": (0, 60),
    "sweeper.interval_secs": (1, 5, 60),
    "sweeper.batch_size": (1, 20, 200),
    "ledger.interval_secs": (1, 10),
    "ledger.batch_size": (1, 10),
    "ledger.lease_secs": (6, 60),
    "audit.rows_a_minute": (6, 300),
    "supervisor.backoff_initial_secs": (0.05, 1),
    "supervisor.progress_secs": (60, 600),
}
RESTART: dict[str, tuple[Any, ...]] = {
    "database.url": ("postgresql://simulated", "postgresql://elsewhere"),
    "asset.track": ("discover", "table"),
    "chain.archive": ([], ["http://b.sim"]),
    "ledger.enabled": (True, False),
}
SPOILED: tuple[Callable[[random.Random, str], str], ...] = (
    lambda rng, text: text[: rng.randrange(len(text))],
    lambda rng, text: text.replace(" = ", f" = {rng.choice(('nan', '[]', chr(34), '-1'))}", rng.randrange(1, 9)),
    lambda rng, text: text + "\n[nonsense]\n",
)


async def _change_forever(scene: Scene, rng: random.Random) -> None:
    good = scene.path.read_text()
    while True:
        await trio.sleep(rng.expovariate(1 / 4))
        dice = rng.random()
        if dice < 0.3:
            scene.path.write_text(rng.choice(SPOILED)(rng, good))
        else:
            table = {**TUNABLE, **RESTART} if dice < 0.5 else TUNABLE
            scene.write({key: rng.choice(table[key]) for key in rng.sample(sorted(table), rng.randint(1, 6))})
            good = scene.path.read_text()
        scene.reload()


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_files_come_in_whatever_weather_every_row_is_true_in_the_end(
    tmp_path: Path, seed: int, autojump_clock: trio.testing.MockClock
) -> None:
    rng = random.Random(seed)
    scene = Scene(tmp_path, {**LEDGER, **AUDIT}, wallets=30, sockets=seed % 2, seed=seed)
    good = scene.path.read_text()
    weather = Weather(scene.provider, scene.postgres, scene.chain, scene.wallets, random.Random(seed))
    weather.on_stale_tip = lambda: setattr(scene.judge, "exact_events", False)
    async with scene.running() as system:
        reaper = Reaper(rng, 400, lambda: system.kill(rng.choice(list(system.supervisor.children))))
        trio.lowlevel.add_instrument(reaper)
        with trio.move_on_after(240):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(weather.storm, 6.0)
                nursery.start_soon(_change_forever, scene, rng)
        trio.lowlevel.remove_instrument(reaper)
        scene.provider.clear()
        scene.postgres.clear()
        scene.path.write_text(good)
        scene.reload()
        assert (system.view.config.error, system.view.config.restart_needed) == (None, ())
        # Whoever died in the storm left leases, which end by themselves.
        await trio.sleep(max(TUNABLE["ledger.lease_secs"]) + 15)
    assert scene.crashes() == {}
    assert scene.judge.readings > 200
