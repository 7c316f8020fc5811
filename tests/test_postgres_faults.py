"""What databases really do, through the real system: the writer waits and tries again, the rest slows down, nothing is lost."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trio

from actors.errors import TrueupError
from actors.health import readiness
from actors.sandbox.postgres import PrivatePostgres, binaries
from actors.sandbox.town import Town
from actors.store import postgres
from actors.system import READING_MESSAGES, TOUCH_MESSAGES, System
from actors.writer import MESSAGES_AT_ONCE
from tests.pooler import pooling
from tests.world import World, eventually, running

LOGS: dict[str, Any] = {"chain": "confirm_secs = 0.3"}
HEADS: dict[str, Any] = {"chain": 'confirm_secs = 0.3\nfollow = "heads"'}
POLLING: dict[str, Any] = {"ws": False, "chain": "poll_interval_secs = 0.1"}
MODES = pytest.mark.parametrize("mode", [LOGS, HEADS, POLLING], ids=["logs", "heads", "polling"])
CHECKPOINT = "SELECT 1 FROM eth_indexer_checkpoints FOR UPDATE"
ROWS = "SELECT 1 FROM eth_wallet_balances FOR UPDATE"
BRANCH = "SELECT 1 FROM trueup_chains FOR UPDATE"
LOCKS = [ROWS, CHECKPOINT, BRANCH]
OURS = "FROM pg_stat_activity WHERE application_name = 'trueup' AND datname = current_database() AND pid <> pg_backend_pid()"
POOLED = OURS.replace("'trueup'", "'pooled'")


def admin(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Statements of the operator, each by itself; the last one's rows."""
    with psycopg.connect(url, autocommit=True) as conn:
        found = [conn.execute(statement.encode()) for statement in statements]
        return found[-1].fetchall() if found[-1].description else []


def reasons(system: System) -> list[str]:
    """What `/readyz` says is wrong; asked from a thread, as `eventually` does."""
    return trio.from_thread.run_sync(lambda: readiness(system.view, trio.current_time())[1])


async def says(system: System, *words: str) -> None:
    """`/readyz` gives a reason with these words in it."""
    await eventually(lambda: any(all(w in reason for w in words) for reason in reasons(system)), f"a reason with {words}")


async def true_and_ready(world: World, system: System) -> None:
    """Everything touched is in the rows, `/readyz` has nothing to say, and no actor had to be started again."""
    await eventually(world.is_true, "true rows")
    await eventually(lambda: not reasons(system), "readiness")
    assert restarts(system) == {}


def restarts(system: System) -> dict[str, int]:
    return {name: child.restarts for name, child in system.supervisor.children.items() if child.restarts}


async def followed(world: World) -> None:
    await eventually(lambda: world.marks() is not None, "the first checkpoint")


def busy(town: Town, count: int = 10) -> None:
    """Traffic that is mined when this returns."""
    town.traffic(count)
    town.mine()


@contextmanager
def locked(url: str, *statements: str) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else's open transaction, rolled back in the end."""
    with closing(psycopg.connect(url)) as conn:
        for statement in statements:
            conn.execute(statement.encode())
        yield conn


def waits_for_a_lock(url: str, whose: str = OURS) -> bool:
    """Whether the service is in the middle of a transaction and cannot go on."""
    return bool(admin(url, f"SELECT 1 {whose} AND wait_event_type = 'Lock'"))


def holder(wallet: bytes) -> str:
    return f"SELECT 1 FROM eth_wallet_balances WHERE wallet = '0x{wallet.hex()}' FOR UPDATE"


async def with_a_row_each(world: World) -> None:
    """Rows of all wallets, true as they stand."""
    wallets = ["0x" + wallet.hex() for wallet in world.town.wallets]
    world.query("INSERT INTO eth_wallet_balances (wallet) SELECT unnest(%s::text[])", wallets)
    touch_all(world.town)
    await eventually(world.is_true, "true rows of all wallets")


def touch_all(town: Town) -> None:
    for source, target in zip(town.wallets[::2], town.wallets[1::2], strict=True):
        town.transfer(source, target, 3)
    town.mine()


# --- It stops, crashes, and comes back


def start_again(server: PrivatePostgres) -> None:
    """Start it; a crash's last backends may still hold its memory for a moment."""
    for _ in range(20):
        try:
            return server.start()
        except TrueupError:
            server.stop()
    raise AssertionError("Postgres does not start again")


@MODES
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL], ids=["fast stop", "immediate stop", "kill"])
async def test_postgres_may_go_in_the_middle_of_a_transaction_and_come_back(
    tmp_path: Path, town: Town, mode: dict[str, Any], number: int
) -> None:
    with PrivatePostgres() as server:
        world = World(tmp_path, server.fresh("faults"), town, **mode)
        async with running(world, sweep=False) as system:
            await followed(world)
            with locked(world.database, CHECKPOINT):
                busy(town)
                await eventually(lambda: waits_for_a_lock(world.database), "a transaction that cannot go on")
                server.stop(number)
            busy(town)
            await says(system, "Postgres is unreachable", "database:")
            start_again(server)
            await true_and_ready(world, system)


# --- A standby takes over


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
async def test_a_standby_may_take_over_in_the_middle_of_a_transaction(tmp_path: Path, town: Town, mode: dict[str, Any]) -> None:
    with pair() as (primary, standby, url):
        world = World(tmp_path, url, town, **mode)
        async with running(world, sweep=False) as system:
            await followed(world)
            with locked(world.database, CHECKPOINT):
                busy(town)
                await eventually(lambda: waits_for_a_lock(primary.url("faults")), "a transaction that cannot go on")
                primary.kill()
            busy(town)
            await says(system, "Postgres is unreachable", "database:")
            standby.promote()
            await true_and_ready(world, system)


@MODES
async def test_a_standby_that_lacks_the_last_commits_loses_no_touch(tmp_path: Path, town: Town, mode: dict[str, Any]) -> None:
    with pair() as (primary, standby, url):
        world = World(tmp_path, url, town, **mode)
        async with running(world, sweep=False) as system:
            await followed(world)
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


# --- It hangs up


def hang_up(url: str) -> set[int]:
    """End every backend of the service; their process ids."""
    return {pid for pid, _ in admin(url, f"SELECT pid, pg_terminate_backend(pid) {OURS}")}


def backends(url: str) -> set[int]:
    return {pid for (pid,) in admin(url, f"SELECT pid {OURS}")}


def reconnected(url: str, gone: set[int]) -> bool:
    return bool(backends(url) - gone)


@MODES
async def test_connections_may_be_dropped_again_and_again_under_traffic(
    tmp_path: Path, database_url: str, town: Town, mode: dict[str, Any]
) -> None:
    world = World(tmp_path, database_url, town, **mode)
    async with running(world, sweep=False) as system:
        await followed(world)
        for _ in range(30):
            busy(town, 5)
            gone = hang_up(database_url)
            await eventually(partial(reconnected, database_url, gone), "a new connection")
        await true_and_ready(world, system)


@pytest.mark.long
async def test_connections_may_be_dropped_in_the_middle_of_every_transaction(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    world = World(tmp_path, database_url, town, **LOGS)
    async with running(world, sweep=False) as system:
        await followed(world)
        for lock in (CHECKPOINT, "LOCK eth_wallet_balances IN EXCLUSIVE MODE", BRANCH) * 3:
            with locked(database_url, lock):
                busy(town, 5)
                await eventually(lambda: waits_for_a_lock(database_url), "a transaction that cannot go on")
                hang_up(database_url)
                await says(system, "Postgres is unreachable", "terminating connection")
        await true_and_ready(world, system)


# --- It refuses to write

DISK = """
CREATE TABLE disk (is_full boolean);
INSERT INTO disk VALUES (true);
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
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
    async with running(world, sweep=False) as system:
        await followed(world)
        admin(database_url, DISK, REFUSE.format(table=table))
        busy(town)
        await says(system, "No space left on device")
        busy(town)
        admin(database_url, "UPDATE disk SET is_full = false")
        await true_and_ready(world, system)


async def test_readiness_says_that_the_disk_is_full_for_as_long_as_it_is(tmp_path: Path, database_url: str, town: Town) -> None:
    world = World(tmp_path, database_url, town, **LOGS)
    async with running(world, sweep=False) as system:
        await followed(world)
        admin(database_url, DISK, REFUSE.format(table="eth_wallet_balances"))
        busy(town)
        await says(system, "No space left on device")
        await stays_unready(world, system, "No space left on device")
        admin(database_url, "UPDATE disk SET is_full = false")
        await true_and_ready(world, system)


@MODES
async def test_a_server_may_turn_read_only_and_back(tmp_path: Path, town: Town, mode: dict[str, Any]) -> None:
    with PrivatePostgres() as server:
        world = World(tmp_path, server.fresh("faults"), town, **mode)
        async with running(world, sweep=False) as system:
            await followed(world)
            admin(world.database, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
            busy(town)
            await says(system, "Postgres", "read-only transaction")
            busy(town)
            admin(world.database, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
            await true_and_ready(world, system)


# --- Somebody else holds a lock


async def ticked(system: System, times: int) -> None:
    """So many further ticks."""
    before = system.view.assets["TOWN"].ticks
    await eventually(lambda: system.view.assets["TOWN"].ticks >= before + times, f"{times} ticks")


async def passed_over(world: World, system: System, *wallets: bytes) -> None:
    """The sweep does not come to these rows any more: they are of the future, also after the ticks that were on their way."""
    ours = ["0x" + wallet.hex() for wallet in wallets]
    future = "SELECT count(*) FROM eth_wallet_balances WHERE wallet = ANY(%s) AND updated_at = '2100-01-01'"
    while world.query(future, ours) != [(len(ours),)]:
        world.query("UPDATE eth_wallet_balances SET updated_at = '2100-01-01' WHERE wallet = ANY(%s)", ours)
        await ticked(system, 2)


async def test_while_somebody_locks_a_touched_row_the_sweep_goes_on_and_then_everything(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    world = World(tmp_path, database_url, town, interval=0.1, batch=2, **HEADS)
    async with running(world) as system:
        await followed(world)
        await with_a_row_each(world)
        wallet, other = town.wallets[:2]
        await passed_over(world, system, wallet, other)
        with locked(database_url, holder(wallet)):
            town.transfer(wallet, other, 5)
            town.mine()
            await eventually(lambda: waits_for_a_lock(database_url), "the writer at the lock")
            await ticked(system, 5)
            busy(town)
            assert waits_for_a_lock(database_url)
        await true_and_ready(world, system)


async def test_while_somebody_locks_a_row_that_the_sweep_wants_live_touches_go_on(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    world = World(tmp_path, database_url, town, interval=0.1, batch=5, **LOGS)
    wallet = bytes.fromhex("00000000000000000000000000000000000000aa")
    async with running(world) as system:
        await followed(world)
        world.query("INSERT INTO eth_wallet_balances (wallet, updated_at) VALUES (%s, '1970-01-01')", "0x" + wallet.hex())
        with locked(database_url, holder(wallet)):
            await eventually(lambda: waits_for_a_lock(database_url), "the sweep's writer at the lock")
            for _ in range(3):
                busy(town)
                await eventually(world.is_true, "true rows of all that is touched")
            assert waits_for_a_lock(database_url)
        await ticked(system, 2)
        await true_and_ready(world, system)


async def test_while_somebody_locks_the_checkpoint_the_sweep_goes_on_and_then_everything(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    world = World(tmp_path, database_url, town, interval=0.1, batch=2, **HEADS)
    async with running(world) as system:
        await followed(world)
        await with_a_row_each(world)
        wallet, other = town.wallets[:2]
        await passed_over(world, system, wallet, other)
        with locked(database_url, CHECKPOINT):
            town.transfer(wallet, other, 5)
            town.mine()
            await eventually(lambda: waits_for_a_lock(database_url), "the writer at the lock")
            await ticked(system, 5)
            busy(town)
        await true_and_ready(world, system)


@pytest.mark.parametrize("timeout", ["lock_timeout", "statement_timeout"])
@pytest.mark.parametrize("lock", LOCKS, ids=["holder", "checkpoint", "branch"])
async def test_a_lock_that_outlasts_a_timeout_is_said_and_waited_for_again(
    tmp_path: Path, database_url: str, town: Town, lock: str, timeout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In place of the minute that the service gives its statements, and of the endless wait for a lock.
    monkeypatch.setattr(postgres, "SESSION", f"SET {timeout} = '100ms'")
    world = World(tmp_path, database_url, town, **LOGS)
    async with running(world, sweep=False) as system:
        await followed(world)
        await with_a_row_each(world)
        with locked(database_url, lock):
            busy(town)
            await says(system, "Postgres", timeout.replace("_", " "))
            busy(town)
        await true_and_ready(world, system)


async def test_a_deadlock_with_another_program_costs_nothing_but_the_next_attempt(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    # The service looks for a deadlock, the other program never does: so it is the service that is given up.
    admin(database_url, f"ALTER DATABASE {database_url.rpartition('/')[2]} SET deadlock_timeout = '1s'")
    world = World(tmp_path, database_url, town, **POLLING)
    async with running(world, sweep=False) as system:
        await followed(world)
        await with_a_row_each(world)
        with locked(database_url, "SET deadlock_timeout = '1h'", ROWS) as other:
            busy(town)
            await eventually(lambda: waits_for_a_lock(database_url), "the writer, its branch locked, at the rows")
            await trio.to_thread.run_sync(other.execute, BRANCH)
            await says(system, "deadlock detected")
            other.commit()
        await true_and_ready(world, system)


def deadlocks(url: str) -> int:
    return int(admin(url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0])


# --- A pooler stands in between


@MODES
async def test_a_pooler_in_transaction_mode_serves_it_well(
    tmp_path: Path, database_url: str, town: Town, mode: dict[str, Any]
) -> None:
    async with pooling(database_url, sessions=3) as pooler:
        world = behind(pooler.url, tmp_path, database_url, town, interval=0.1, **mode)
        async with running(world) as system:
            await followed(world)
            for _ in range(10):
                busy(town)
            await true_and_ready(world, system)
        assert pooler.refused == []
        assert pooler.transactions > 20


def behind(url: str, *args: Any, **toml: Any) -> World:
    """A world whose service reaches Postgres by that URL, and whose judge does not."""
    world = World(*args, **toml)
    world.path.write_text(world.path.read_text().replace(f'"{world.database}"', f'"{url}"'))
    world.reload()
    return world


async def test_a_pooler_whose_sessions_are_cut_in_transactions_loses_nothing(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    async with pooling(database_url, sessions=3) as pooler:
        world = behind(pooler.url, tmp_path, database_url, town, **LOGS)
        async with running(world, sweep=False) as system:
            await followed(world)
            for _ in range(5):
                with locked(database_url, CHECKPOINT):
                    busy(town, 5)
                    await eventually(lambda: waits_for_a_lock(database_url, POOLED), "a transaction that cannot go on")
                    admin(database_url, f"SELECT pg_terminate_backend(pid) {POOLED}")
                    await says(system, "Postgres is unreachable")
            await true_and_ready(world, system)


# --- It freezes, or is slow


def processes(server: PrivatePostgres) -> list[int]:
    """The postmaster first, then its children."""
    assert server._process is not None
    children = admin(server.url("postgres"), "SELECT pid FROM pg_stat_activity")
    return [server._process.pid, *(pid for (pid,) in children)]


def signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):  # the backend that was asked is gone
            os.kill(pid, number)


@contextmanager
def frozen(server: PrivatePostgres) -> Iterator[None]:
    pids = processes(server)
    signal_all(pids, signal.SIGSTOP)
    try:
        yield
    finally:
        signal_all(pids, signal.SIGCONT)


@pytest.mark.long
@MODES
async def test_postgres_may_freeze_and_wake(tmp_path: Path, town: Town, mode: dict[str, Any]) -> None:
    with PrivatePostgres() as server:
        world = World(tmp_path, server.fresh("faults"), town, **mode)
        async with running(world, sweep=False) as system:
            await followed(world)
            busy(town)
            await eventually(world.is_true, "true rows")
            with frozen(server):
                busy(town)
                await says(system, "has not closed for")
            await true_and_ready(world, system)


@pytest.mark.long
async def test_a_stop_while_postgres_is_frozen_ends_and_loses_nothing(tmp_path: Path, town: Town) -> None:
    with PrivatePostgres() as server, ExitStack() as frost:
        world = World(tmp_path, server.fresh("faults"), town, **LOGS)
        async with running(world, sweep=False):
            await followed(world)
            frost.enter_context(frozen(server))
            busy(town)
        frost.close()
        async with running(world, sweep=False) as system:
            await true_and_ready(world, system)


@pytest.mark.long
async def test_a_primary_that_freezes_for_good_is_left_for_the_standby(tmp_path: Path, town: Town) -> None:
    """No packet says that it is gone: the watchdog ends the wait, and the host list finds the other."""
    with pair() as (primary, standby, url):
        world = World(tmp_path, url, town, extra="progress_secs = 6", **LOGS)
        async with running(world, sweep=False) as system:
            await followed(world)
            await eventually(standby.receives, "the standby's stream")
            with frozen(primary):
                busy(town)
                standby.promote()
                world.database = standby.url("faults")
                await eventually(lambda: bool(backends(world.database)), "the first connection to the standby")
                await eventually(world.is_true, "true rows on the standby")
                await eventually(lambda: not reasons(system), "readiness")
            primary.kill()


SLOW = """
CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.005); RETURN NEW; END $$;
CREATE TRIGGER linger BEFORE INSERT OR UPDATE ON eth_wallet_balances FOR EACH ROW EXECUTE FUNCTION linger();
"""


class Peaks:
    """The most that ever waited in each lane, looked at whenever anything changes hands."""

    def __init__(self, system: System) -> None:
        self._system, self.seen, self.hand = system, dict[str, int](), 0

    def look(self) -> None:
        for box in self._system.view.mailboxes():
            for lane in ("live", "sweep"):
                name = f"{box['name']} {lane}"
                self.seen[name] = max(self.seen.get(name, 0), box[lane])
        self.hand = max([self.hand, *(len(ports.hand) for ports in self._system.chains.values())])

    def bounded(self) -> bool:
        """Queues at their capacity, and beside them what their consumer has in hand."""
        limits = {"readings": READING_MESSAGES + MESSAGES_AT_ONCE, "touches:town": TOUCH_MESSAGES + 1}
        return all(most <= limits[name.split()[0]] for name, most in self.seen.items())


@pytest.mark.long
async def test_a_slow_postgres_slows_the_rest_and_live_rows_come_through(tmp_path: Path, database_url: str, town: Town) -> None:
    world = World(tmp_path, database_url, town, interval=0.02, batch=20, **LOGS)
    admin(database_url, SLOW)
    async with running(world) as system:
        await followed(world)
        peaks = Peaks(system)
        for _ in range(10):
            busy(town)
            await eventually(lambda: peaks.look() or world.is_true(), "true rows")  # type: ignore[func-returns-value]
        assert peaks.bounded()
        assert deadlocks(database_url) == 0
        await true_and_ready(world, system)


@pytest.mark.long
async def test_nothing_piles_up_behind_a_writer_that_cannot_go_on(tmp_path: Path, database_url: str, town: Town) -> None:
    world = World(tmp_path, database_url, town, **LOGS)
    async with running(world, sweep=False) as system:
        await followed(world)
        await with_a_row_each(world)
        peaks, ports = Peaks(system), system.chains["town"]
        with locked(database_url, CHECKPOINT):

            def full() -> bool:
                """One more event at a time, until the readings' lane takes no more."""
                town.transfer(town.wallets[0], town.wallets[1], 1)
                town.mine()
                peaks.look()
                return bool(ports.readings.live._send.statistics().current_buffer_used >= READING_MESSAGES)

            await eventually(full, "a full lane")
            for _ in range(3):
                busy(town)
                peaks.look()
        assert peaks.bounded()
        assert peaks.hand <= 3 * len(town.wallets)
        await true_and_ready(world, system)
