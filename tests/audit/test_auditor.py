"""The audit actor and `trueup verify`, on a real chain and a real Postgres."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from tests.audit.audit_world import evidence, mended, on, spoil, verified, wallets, with_rows
from tests.world import World, eventually, running

MANY, SPOILED = 50_000, 50


@pytest.fixture
def many(tmp_path: Path, database_url: str, anvil: Anvil) -> World:
    """Rows of 50,000 wallets, all of them true."""
    world = World(tmp_path, database_url, Town(anvil, wallets=2000), ws=False, extra=on())
    with_rows(world, MANY)
    return world


@pytest.fixture
def bad(many: World) -> list[str]:
    """Fifty wallets whose rows were spoiled, all over the table."""
    some = sorted(wallets(MANY)[7 :: MANY // SPOILED])
    spoil(many, some)
    return some


@pytest.mark.long
def test_all_of_fifty_spoiled_rows_among_fifty_thousand_are_found(many: World, bad: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, said = verified(many, capsys, "--all")
    assert code == 1
    assert (said["rows"], said["checked"], said["wrong"], said["checkable_share"]) == (MANY, MANY, SPOILED, 1.0)
    assert sorted(drift["wallet"] for drift in said["drift"]) == bad
    assert said["wrong_per_million_low"] < 1000 == said["wrong_per_million"] < said["wrong_per_million_high"]
    assert all(int(drift["balance"]) == int(drift["chain_balance"]) + 1 for drift in said["drift"])


@pytest.mark.long
async def test_all_of_fifty_spoiled_rows_among_fifty_thousand_are_mended(many: World, bad: list[str]) -> None:
    async with running(many, sweep=False) as system:
        await eventually(lambda: mended(many) == SPOILED, "all rows mended")
        shown = system.view.assets["TOWN"].audit()
    assert shown is not None
    assert (shown["wrong"], shown["mended"], shown["blocked"], shown["checkable_share"]) == (SPOILED, SPOILED, None, 1.0)
    assert [(wallet, int(row - chain)) for wallet, row, chain, _ in evidence(many)] == [(wallet, 1) for wallet in bad]


def test_nothing_is_wrong_in_a_true_table(tmp_path: Path, database_url: str, town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(tmp_path, database_url, town, ws=False)
    with_rows(world, 30)
    code, said = verified(world, capsys, "--all")
    assert (code, said["checked"], said["wrong"], said["uncheckable"]["never_read"]) == (0, 30, 0, 0)
    assert said["wrong_per_million_low"] == 0 < said["wrong_per_million_high"]
