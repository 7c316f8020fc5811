"""A pooler stands in between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from actors.sandbox.town import Town
from tests.pooler import pooling
from tests.postgres_world import CHECKPOINT, POOLED, admin, busy, following, locked, says, true_and_ready, waits_for_a_lock
from tests.role import as_service
from tests.world import LOGS, MODES, Mode, World, eventually


@MODES
async def test_a_pooler_in_transaction_mode_serves_it_well(tmp_path: Path, database_url: str, town: Town, mode: Mode) -> None:
    async with pooling(as_service(database_url), sessions=3) as pooler:
        world = behind(pooler.url, tmp_path, database_url, town, interval=0.1, **mode)
        async with following(world, sweep=True) as system:
            for _ in range(10):
                busy(town)
            await true_and_ready(world, system)
        assert pooler.refused == []
        assert pooler.transactions > 20


def behind(url: str, *args: Any, **toml: Any) -> World:
    """A world whose service reaches Postgres by that URL, and whose judge does not."""
    world = World(*args, **toml)
    world.path.write_text(world.path.read_text().replace(f'"{world.config.database.url}"', f'"{url}"'))
    world.reload()
    return world


async def test_a_pooler_whose_sessions_are_cut_in_transactions_loses_nothing(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    async with pooling(as_service(database_url), sessions=3) as pooler:
        world = behind(pooler.url, tmp_path, database_url, town, **LOGS)
        async with following(world) as system:
            for _ in range(5):
                with locked(database_url, CHECKPOINT):
                    busy(town, 5)
                    await eventually(lambda: waits_for_a_lock(database_url, POOLED), "a transaction that cannot go on")
                    admin(database_url, f"SELECT pg_terminate_backend(pid) {POOLED}")
                    await says(system, "Postgres is unreachable")
            await true_and_ready(world, system)
