"""It refuses to write: a full disk, a server that turned read-only."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from actors.system import System
from tests.postgres_world import OURS, admin, busy, following, reasons, says, true_and_ready
from tests.world import LOGS, MODES, Mode, World, eventually

DISK = """
CREATE TABLE disk (is_full boolean);
INSERT INTO disk VALUES (true);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF (SELECT is_full FROM disk) THEN
    RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
  END IF;
  RETURN NEW;
END $$;
"""
REFUSE = "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION refuse()"
TABLES = ["eth_wallet_balances", "eth_indexer_checkpoints", "trueup_blocks"]


def newest_look_up(url: str) -> Any:
    """When the service last asked how some rows stand, which it can do while it cannot write."""
    return admin(url, f"SELECT max(query_start) {OURS} AND query LIKE '%with given%'")[0][0]


async def stays_unready(world: World, system: System, *words: str) -> None:
    """However many other questions Postgres answers meanwhile, `/readyz` goes on saying that nothing can be written."""
    silent: list[list[str]] = []

    def asked_since(moment: Any) -> bool:
        found = reasons(system)
        if not any(all(w in reason for w in words) for reason in found):
            silent.append(found)
        newest = newest_look_up(world.database)
        return newest is not None and (moment is None or newest > moment)

    for _ in range(3):
        moment = newest_look_up(world.database)
        busy(world.town, 3)
        await eventually(partial(asked_since, moment), "a question that is answered")
    assert silent == []


@pytest.mark.parametrize("table", TABLES)
async def test_a_full_disk_is_waited_for(tmp_path: Path, database_url: str, town: Town, table: str) -> None:
    world = World(tmp_path, database_url, town, **LOGS)
    async with following(world) as system:
        admin(database_url, DISK, REFUSE.format(table=table))
        busy(town)
        await says(system, "No space left on device")
        busy(town)
        admin(database_url, "UPDATE disk SET is_full = false")
        await true_and_ready(world, system)


async def test_readiness_says_that_the_disk_is_full_for_as_long_as_it_is(tmp_path: Path, database_url: str, town: Town) -> None:
    world = World(tmp_path, database_url, town, **LOGS)
    async with following(world) as system:
        admin(database_url, DISK, REFUSE.format(table="eth_wallet_balances"))
        busy(town)
        await says(system, "No space left on device")
        await stays_unready(world, system, "No space left on device")
        admin(database_url, "UPDATE disk SET is_full = false")
        await true_and_ready(world, system)


@MODES
async def test_a_server_may_turn_read_only_and_back(tmp_path: Path, town: Town, mode: Mode) -> None:
    with PrivatePostgres() as server:
        world = World(tmp_path, server.fresh("faults"), town, **mode)
        async with following(world) as system:
            admin(world.database, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
            busy(town)
            await says(system, "Postgres", "read-only transaction")
            busy(town)
            admin(world.database, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
            await true_and_ready(world, system)
