"""The ledger worker, changed while it works."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import trio
import trio.testing

from tests.tuning.scene import LEDGER, Scene

NEVER = 3000  # seconds, of virtual time


def claims(scene: Scene, since: float) -> list[tuple[Any, ...]]:
    """The arguments of each claim: …, the lease's seconds, and how many rows at most."""
    return [args for _, args in scene.ran("claim", since)]


def leases(scene: Scene, since: float) -> list[float]:
    """For how long rows were leased, and their leases renewed, since a moment."""
    return [args[-1] for _, args in scene.ran("renew", since)] + [args[-2] for args in claims(scene, since)]


def lapsed(scene: Scene) -> list[str]:
    """Rows whose lease is over, though they are held."""
    now = scene.tables.now()
    return [number for number, row in scene.tables.ledger.items() if row.locked_by and row.locked_until and row.locked_until < now]


async def test_claims_come_as_often_as_interval_secs_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {**LEDGER, "ledger.interval_secs": NEVER})
    async with scene.running():
        await trio.sleep(100)
        before = trio.current_time()
        scene.tune({"ledger.interval_secs": 4})
        await trio.sleep(1)
        assert len(claims(scene, before)) == 1
        await trio.sleep(40)
        assert 9 <= len(claims(scene, before)) <= 12
        scene.tune({"ledger.interval_secs": 20})
        await trio.sleep(1)
        before = trio.current_time()
        await trio.sleep(100)
        assert 4 <= len(claims(scene, before)) <= 6
    assert scene.crashes() == {}


async def test_a_claim_takes_as_many_rows_as_batch_size_says_now(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {**LEDGER, "ledger.batch_size": 3})
    async with scene.running() as system:
        for rows in (3, 11, 1):
            scene.tune({"ledger.batch_size": rows})
            await trio.sleep(10)
            assert system.view.ledger["1"].tick_requested == rows
    assert scene.crashes() == {}


async def test_rows_are_held_for_as_long_as_lease_secs_says_now_and_no_lease_lapses_over_the_change(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    scene = Scene(tmp_path, {**LEDGER, "ledger.batch_size": 8})
    async with scene.running():
        scene.node.latency_secs = (1.5, 2.5)  # a claim takes longer than the shorter leases
        for lease in (9, 600, 6, 60, 9):
            scene.tune({"ledger.lease_secs": lease})
            before = trio.current_time()
            while len(taken := leases(scene, before)) < 4:
                await trio.sleep(0.7)
                assert lapsed(scene) == []
            assert set(taken) == {lease}
        scene.node.latency_secs = (0.005, 0.05)
    assert scene.crashes() == {}
