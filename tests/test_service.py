"""The main job, end to end: a real chain's balances in a real Postgres."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from tests.world import BY_NAME, Mode, World, eventually, running


@pytest.fixture(params=BY_NAME)
def mode(request: pytest.FixtureRequest) -> Mode:
    return BY_NAME[request.param]


async def test_every_touched_wallet_gets_its_row(
    tmp_path: Path, database_url: str, town: Town, mode: Mode
) -> None:
    world = World(tmp_path, database_url, town, **mode)
    async with running(world):
        await eventually(lambda: world.marks() is not None, "the first checkpoint")
        town.traffic(30)
        await eventually(world.is_true, "true rows")
    assert len(world.rows()) > 5


async def test_what_happened_while_the_process_was_down_is_caught_up_with(
    tmp_path: Path, database_url: str, town: Town, mode: Mode
) -> None:
    world = World(tmp_path, database_url, town, **mode)
    async with running(world):
        await eventually(lambda: world.marks() is not None, "the first checkpoint")
    town.traffic(30)
    async with running(world):
        await eventually(world.is_true, "true rows")


async def test_several_chains_and_assets_live_in_one_process(tmp_path: Path, database_url: str, town: Town) -> None:
    with Anvil(options=["--chain-id", "99"]) as other:
        far = Town(other, wallets=10, seed=1)
        world = World(tmp_path, database_url, town, chain="confirm_secs = 0.3")
        text = far.toml(chain="confirm_secs = 0.3").replace("31337", "99").replace('"town"', '"far"').replace('"TOWN"', '"FAR"')
        text = text.replace("eth_wallet_balances", "far_balances").replace("audio_transfers", "far")
        native = """
[[asset]]
name = "ETH"
chain = "far"
table = "far_native"
checkpoint = "far_native"
track = "SELECT wallet FROM eth_wallet_balances"
sources = [{ native = true }]
triggers = []
"""
        world.path.write_text(world.path.read_text().replace("interval_secs = 3600", "interval_secs = 0.2") + text + native)
        world.reload()
        async with running(world):
            await eventually(lambda: len(world.query("SELECT 1 FROM eth_indexer_checkpoints")) == 2, "both first checkpoints")
            town.traffic(10)
            far.traffic(10)
            await eventually(world.is_true, "true rows on the one chain")
            await eventually(lambda: _far_is_true(world, far), "true rows on the other")
            await eventually(lambda: len(world.query("SELECT 1 FROM far_native WHERE read_block IS NOT NULL")) > 5, "native rows")


def _far_is_true(world: World, far: Town) -> bool:
    touched = far.last_events(far.started_at)
    truth = far.truths(list(touched), far.block())
    rows = world.query("SELECT wallet, balance, blocknumber FROM far_balances WHERE blocknumber IS NOT NULL")
    return {bytes.fromhex(w[2:]): (int(b), n) for w, b, n in rows} == {w: (truth[w], n) for w, n in touched.items()}
