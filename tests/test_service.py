"""The main job, end to end: a real chain's balances in a real Postgres."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from actors.sandbox.town import Town
from tests.world import World, eventually, running

MODES: dict[str, dict[str, Any]] = {
    "logs": {"chain": 'confirm_secs = 0.3\nfollow = "logs"'},
    "heads": {"chain": 'confirm_secs = 0.3\nfollow = "heads"'},
    "polling": {"ws": False, "chain": "poll_interval_secs = 0.1"},
}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MODES[request.param]


async def test_every_touched_wallet_gets_its_row(
    tmp_path: Path, database_url: str, town: Town, mode: dict[str, Any]
) -> None:
    world = World(tmp_path, database_url, town, **mode)
    async with running(world):
        await eventually(lambda: world.marks() is not None, "the first checkpoint")
        town.traffic(30)
        await eventually(world.is_true, "true rows")
    assert len(world.rows()) > 5


async def test_what_happened_while_the_process_was_down_is_caught_up_with(
    tmp_path: Path, database_url: str, town: Town, mode: dict[str, Any]
) -> None:
    world = World(tmp_path, database_url, town, **mode)
    async with running(world):
        await eventually(lambda: world.marks() is not None, "the first checkpoint")
    town.traffic(30)
    async with running(world):
        await eventually(world.is_true, "true rows")
