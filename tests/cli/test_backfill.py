"""What `trueup backfill` says at its end."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.cli import backfill as command
from actors.cli import main
from actors.cli.backfill import Outcome
from actors.metrics import Metrics
from actors.sandbox.town import Town
from tests.world import World


def backfill(world: World, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """The one line that it prints."""
    assert main(["backfill", "-c", str(world.path), "--from-block", "0", *more]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    return line


def test_it_ends_with_what_it_did(tmp_path: Path, database_url: str, town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(tmp_path, database_url, town, ws=False)
    asset, *counts = backfill(world, capsys).split(" ")
    assert asset == "TOWN:"
    found = {name: float(value) for name, _, value in (count.partition("=") for count in counts)}
    assert list(found) == ["wallets", "blocks", "calls", "seconds"]
    assert (found["wallets"], found["blocks"]) == (len(world.rows()), town.block() + 1)
    spent = world.query("SELECT sum(calls) FROM trueup_spend")[0][0]
    assert 0 < found["calls"] <= spent  # the bookkeeper's own books go on until the end
    again = json.loads(backfill(world, capsys, "--json"))
    assert (again["asset"], again["wallets"], again["blocks"]) == ("TOWN", 0, 0)


def test_its_blocks_and_calls_are_its_own() -> None:
    metrics = Metrics()
    ports: Any = SimpleNamespace(metrics=metrics, config=SimpleNamespace(name="a"))
    metrics.readings.labels("A").inc(5)
    metrics.rpc_calls.labels("a", "batcher", "eth_call").inc(7)
    outcome = Outcome(ports, SimpleNamespace(name="A"))  # type: ignore[arg-type]
    for done in (40, 60, 90, 70):  # forty are another run's; then its actor was killed, and began anew from its checkpoint
        outcome.at(done, 100)
    for chain, asset in (("a", "A"), ("b", "B")):
        metrics.readings.labels(asset).inc(3)
        metrics.rpc_calls.labels(chain, "backfill", "eth_getLogs").inc(2)
    found = outcome.found()
    assert (found["wallets"], found["blocks"], found["calls"]) == (3, 50, 2)
    metrics.readings.labels("A").inc(9)  # the next asset's
    assert outcome.found() == found


async def test_an_assets_counts_end_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Done:
        def __init__(self, *given: object) -> None: ...

        async def run(self) -> None: ...

    monkeypatch.setattr(command, "Backfill", Done)
    ports: Any = SimpleNamespace(metrics=Metrics(), config=SimpleNamespace(name="a"))
    outcomes: dict[str, Outcome] = {}
    await command.fill(outcomes, 0, None, ports, SimpleNamespace(name="A"))  # type: ignore[arg-type]
    ports.metrics.rpc_calls.labels("a", "backfill", "eth_getLogs").inc(2)  # for the chain's next asset
    assert outcomes["A"].found()["calls"] == 0
