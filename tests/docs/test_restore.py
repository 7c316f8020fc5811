"""An old backup is restored: what happened since is found again, by what was restored with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from tests import asking
from tests.docs.pages import ROOT, blocks
from tests.postgres_world import admin
from tests.world import World, eventually, followed, running

SAID = "update eth_indexer_checkpoints set last_block = N, confirmed = N where name = 'token_transfers';\n"


@pytest.fixture
def world(tmp_path: Path, postgres_server: PrivatePostgres, town: Town) -> Iterator[World]:
    """Of a database with a name of its own, which is restored under that name."""
    yield World(tmp_path, postgres_server.fresh("restored"), town, chain="confirm_secs = 0.3")
    for name in ("restored", "backup"):
        postgres_server.drop(name)


def copy(server: PrivatePostgres, source: str, target: str) -> None:
    """A backup in one snapshot, or its restore: nobody is connected."""
    asking.leave()
    server.drop(target)
    with psycopg.connect(server.url("postgres"), autocommit=True) as conn:
        conn.execute(f'CREATE DATABASE "{target}" TEMPLATE "{source}"'.encode())


async def follow_some(world: World) -> None:
    """The service takes in some traffic, and stops."""
    async with running(world):
        await followed(world)
        world.town.traffic(20)
        world.town.mine()
        await eventually(world.is_true, "true rows")
        # A block that was asked for once is asked for again by whoever starts next, whose rows then lack nothing.
        await eventually(lambda: world.marks() == (world.town.block(), world.town.block()), "the second asking's end")


async def test_all_that_happened_since_an_old_backup_is_found_again(world: World, postgres_server: PrivatePostgres) -> None:
    await follow_some(world)
    copy(postgres_server, "restored", "backup")
    await follow_some(world)
    copy(postgres_server, "backup", "restored")
    assert not world.is_true()
    async with running(world):
        await eventually(world.is_true, "true rows")


async def test_a_reorg_since_an_old_backup_heals(world: World, postgres_server: PrivatePostgres, town: Town) -> None:
    snapshot = town._anvil.rpc("evm_snapshot")
    await follow_some(world)
    copy(postgres_server, "restored", "backup")
    town._anvil.rpc("evm_revert", snapshot)
    for _ in range(3):
        town.traffic(5)
    for _ in range(40):
        town.mine()
    copy(postgres_server, "backup", "restored")
    async with running(world):
        await eventually(lambda: _all_are_the_chains(world), "rows of the new branch alone")


def _all_are_the_chains(world: World) -> bool:
    rows = world.rows()
    return world.is_true() and {wallet: balance for wallet, (balance, _) in rows.items()} == world.town.truths(list(rows), world.town.block())


async def test_rows_that_are_older_than_their_checkpoint_lack_events_until_that_is_taken_back(world: World, postgres_server: PrivatePostgres) -> None:
    await follow_some(world)
    ((block,),) = admin(world.database, "SELECT last_block FROM eth_indexer_checkpoints")
    admin(world.database, "CREATE TABLE kept AS TABLE eth_wallet_balances")
    await follow_some(world)
    admin(world.database, "TRUNCATE eth_wallet_balances", "INSERT INTO eth_wallet_balances SELECT * FROM kept")
    async with running(world, sweep=False) as system:
        closed = system.metrics.closings.labels("TOWN")
        world.town.mine()
        await eventually(lambda: (world.marks() or (0,))[0] == world.town.block() and closed._value.get() > 1, "closings of what is new")
        assert not world.is_true()
    admin(world.database, SAID.replace("N", str(block)).replace("token_transfers", "audio_transfers"))
    async with running(world, sweep=False):
        await eventually(world.is_true, "true rows")


def test_the_page_says_what_was_tried_here() -> None:
    assert SAID in [block.text for block in blocks(ROOT / "docs" / "operating.md")]
