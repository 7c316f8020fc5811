"""A standby takes over."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from actors.sandbox.postgres import PrivatePostgres, binaries
from actors.sandbox.town import Town
from tests.postgres_world import (
    CHECKPOINT,
    admin,
    backends,
    busy,
    following,
    frozen,
    locked,
    reasons,
    says,
    true_and_ready,
    waits_for_a_lock,
)
from tests.world import LOGS, MODES, Mode, World, eventually


class Standby(PrivatePostgres):
    """A hot standby of a running server."""

    def __init__(self, primary: PrivatePostgres) -> None:
        super().__init__()
        self._primary = primary

    def _init(self) -> None:
        self._folder.chmod(0o777 if self._prefix[:1] == ["setpriv"] else 0o700)
        where = ["-h", "127.0.0.1", "-p", str(self._primary.port), "-U", "postgres", "-D", str(self._folder / "data")]
        command = [*self._prefix, str(binaries() / "pg_basebackup"), *where, "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    def stop_receiving(self) -> None:
        """From now on the primary's commits do not arrive."""
        admin(self.url("postgres"), "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()")

    def receives(self) -> bool:
        return bool(admin(self.url("postgres"), "SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'"))

    def promote(self) -> None:
        admin(self.url("postgres"), "SELECT pg_promote(wait => true)")


def either(primary: PrivatePostgres, standby: PrivatePostgres, name: str) -> str:
    """A URL that finds whichever of the two takes writes."""
    hosts = f"127.0.0.1:{primary.port},127.0.0.1:{standby.port}"
    return f"postgresql://postgres@{hosts}/{name}?target_session_attrs=read-write"


@contextmanager
def pair() -> Iterator[tuple[PrivatePostgres, Standby, str]]:
    """A primary, its standby, and the URL of both."""
    with PrivatePostgres() as primary:
        primary.fresh("faults")
        standby = Standby(primary)
        with standby:
            yield primary, standby, either(primary, standby, "faults")


@MODES
async def test_a_standby_may_take_over_in_the_middle_of_a_transaction(tmp_path: Path, town: Town, mode: Mode) -> None:
    with pair() as (primary, standby, url):
        world = World(tmp_path, url, town, **mode)
        async with following(world) as system:
            with locked(world.database, CHECKPOINT):
                busy(town)
                await eventually(lambda: waits_for_a_lock(primary.url("faults")), "a transaction that cannot go on")
                primary.kill()
            busy(town)
            await says(system, "Postgres is unreachable", "database:")
            standby.promote()
            await true_and_ready(world, system)


@MODES
async def test_a_standby_that_lacks_the_last_commits_loses_no_touch(tmp_path: Path, town: Town, mode: Mode) -> None:
    with pair() as (primary, standby, url):
        world = World(tmp_path, url, town, **mode)
        async with following(world) as system:
            busy(town)
            await eventually(world.is_true, "true rows")
            await eventually(standby.receives, "the standby's stream")
            standby.stop_receiving()
            await eventually(lambda: not standby.receives(), "the end of the stream")
            busy(town)
            await eventually(world.is_true, "true rows that the standby does not get")
            kept = admin(standby.url("faults"), "SELECT last_block FROM eth_indexer_checkpoints")
            assert kept[0][0] < town.block()
            primary.kill()
            standby.promote()
            await true_and_ready(world, system)


@pytest.mark.long
async def test_a_primary_that_freezes_for_good_is_left_for_the_standby(tmp_path: Path, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """No packet says that it is gone: the watchdog ends the wait, and the host list finds the other."""
    monkeypatch.setattr("tests.world.PATIENCE_SECS", 180)  # each actor in turn: its wait, its cancel and its attempt at the frozen host, 16 s in all
    with pair() as (primary, standby, url):
        world = World(tmp_path, url, town, extra="progress_secs = 6", **LOGS)
        async with following(world) as system:
            await eventually(standby.receives, "the standby's stream")
            with frozen(primary):
                busy(town)
                standby.promote()
                world.database = standby.url("faults")
                await eventually(lambda: bool(backends(world.database)), "the first connection to the standby")
                await eventually(world.is_true, "true rows on the standby")
                await eventually(lambda: not reasons(system), "readiness")
            primary.kill()
