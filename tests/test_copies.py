"""Several copies share one config: whatever becomes of the one that leads, another goes on, and the checkpoint is right."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import psycopg
import pytest

from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from tests.postgres_world import CHECKPOINT, OURS, admin, locked, waits_for_a_lock
from tests.process import start, wait_until
from tests.world import BY_NAME, World

pytestmark = pytest.mark.long
SAMPLE = """
SELECT c.last_block, c.confirmed, (SELECT json_object_agg(h.wallet, h.read_block) FROM eth_wallet_balances h)
FROM eth_indexer_checkpoints c
"""
# The connections over which a copy asks for its roles.
ASKING_FOR_ROLES = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'trueup' AND strpos(query, 'trueup_leases') > 0"
)

# The roles that somebody lost before the lease had ended, as the database saw it.
TAKEN = """
CREATE TABLE taken (role TEXT, holder TEXT, how TEXT);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  IF OLD.until > clock_timestamp() AND (TG_OP = 'DELETE' OR NEW.holder <> OLD.holder) THEN INSERT INTO taken VALUES (OLD.role, OLD.holder, TG_OP); END IF;
  RETURN NULL; END $$;
CREATE TRIGGER note AFTER UPDATE OR DELETE ON trueup_leases FOR EACH ROW EXECUTE FUNCTION note();
"""


@pytest.fixture(params=BY_NAME)
def world(request: pytest.FixtureRequest, tmp_path: Path, database_url: str, town: Town) -> World:
    return World(tmp_path, database_url, town, interval=0.5, batch=5, **BY_NAME[request.param])


class Copies:
    """Two processes on one config."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.processes: list[subprocess.Popen[str]] = []

    def holder(self, role: str) -> int:
        """The process that has a role; 0: none."""
        found = self._world.query("SELECT holder FROM trueup_leases WHERE role = %s AND until > clock_timestamp()", role)
        return int(found[0][0].split(":")[1]) if found else 0

    def leader(self) -> subprocess.Popen[str]:
        """The one that follows the chain."""
        found = list[subprocess.Popen[str]]()

        def led() -> bool:  # a busy one may just have let its lease lapse
            pid = self.holder("subscriber:town")
            found.extend(process for process in self.processes if process.pid == pid)
            return bool(found)

        wait_until(led, self.processes[0])
        return found[0]

    def leader_and_heir(self) -> tuple[subprocess.Popen[str], subprocess.Popen[str]]:
        leader = self.leader()
        return leader, next(process for process in self.processes if process is not leader)

    def start(self) -> None:
        """Both, one after the other, so that one of them has all roles."""
        self.processes.append(start(self._world))
        wait_until(lambda: self.holds_all(self.processes[0]) and self._world.marks() is not None, self.processes[0])
        self.processes.append(start(self._world))
        wait_until(lambda: self._world.query(ASKING_FOR_ROLES)[0][0] >= 2, self.processes[1])

    def holds_all(self, process: subprocess.Popen[str]) -> bool:
        roles = [role for (role,) in self._world.query("SELECT role FROM trueup_leases")]
        return len(roles) == 2 and all(self.holder(role) == process.pid for role in roles)

    def hold_all(self) -> bool:
        """Each role is somebody's: the heir's, but where a busy one let its lease lapse."""
        roles = [role for (role,) in self._world.query("SELECT role FROM trueup_leases")]
        return len(roles) == 2 and all(map(self.holder, roles))

    def stop(self) -> None:
        """End those that are left, cleanly."""
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                said, _ = process.communicate(timeout=60)
                assert process.returncode == 0, said
                assert "Traceback" not in said

    def kill(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()


@pytest.fixture
def copies(world: World) -> Iterator[Copies]:
    copies = Copies(world)
    try:
        copies.start()
        yield copies
    finally:
        copies.kill()


def busy(town: Town) -> None:
    town.mine()  # what is still on its way has its nonces, which the next ones follow
    town.traffic(10)
    town.mine()


# --- The checkpoint, looked at all the while


class Watch:
    """Samples of the checkpoint and of the rows, each of one moment."""

    def __init__(self, url: str) -> None:
        self._url, self._stop = url, threading.Event()
        self.samples: list[tuple[int, int, dict[str, int | None]]] = []

    def run(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as conn:
            while not self._stop.wait(0.01):
                found = conn.execute(SAMPLE).fetchone()
                if found is not None:
                    self.samples.append((found[0], found[1], found[2] or {}))

    def stop(self) -> None:
        self._stop.set()


@contextmanager
def checkpoint_never_wrong(world: World, anvil: Anvil) -> Iterator[None]:
    """At no moment was there a touch at or below the checkpoint that its row did not have; and no mark went back."""
    watch = Watch(world.database)
    thread = threading.Thread(target=watch.run)
    thread.start()
    try:
        yield
    finally:
        watch.stop()
        thread.join()
    touches = all_touches(anvil, world.town)
    assert len(watch.samples) > 10
    for last, confirmed, rows in watch.samples:
        assert confirmed <= last
        unfinished = [(w, b) for w, b in touches if b <= last and (rows.get(w) or 0) < b]
        assert unfinished == [], f"the checkpoint says {last}"
    marks = [(last, confirmed) for last, confirmed, _ in watch.samples]
    assert all(one[0] <= two[0] and one[1] <= two[1] for one, two in pairwise(marks))


def all_touches(anvil: Anvil, town: Town) -> list[tuple[str, int]]:
    """Each wallet of each log with its block, straight from the node."""
    where = {"fromBlock": hex(town.started_at + 1), "toBlock": "latest", "address": [town.token, town.staking, town.delegation]}
    found = []
    for log in anvil.rpc("eth_getLogs", where):
        words = ["0x" + log["data"][2:66], "0x" + log["data"][66:130]] if len(log["topics"]) == 1 else log["topics"][1:]
        found += [("0x" + word[-40:], int(log["blockNumber"], 16)) for word in words]
    return found


# --- What becomes of the leader


def test_a_killed_leader_is_followed_by_the_other(world: World, copies: Copies, anvil: Anvil) -> None:
    with checkpoint_never_wrong(world, anvil):
        leader, heir = copies.leader_and_heir()
        world.town.traffic(40)
        leader.send_signal(signal.SIGKILL)
        busy(world.town)
        wait_until(lambda: copies.holds_all(heir), heir)
        wait_until(world.is_true, heir)
        busy(world.town)
        wait_until(world.is_true, heir)
        copies.stop()


def test_a_leader_that_stops_cleanly_hands_over(world: World, copies: Copies, anvil: Anvil) -> None:
    with checkpoint_never_wrong(world, anvil):
        leader, heir = copies.leader_and_heir()
        world.town.traffic(40)
        leader.send_signal(signal.SIGTERM)
        wait_until(lambda: copies.holds_all(heir), heir)
        busy(world.town)
        wait_until(world.is_true, heir)
        copies.stop()


def test_a_leader_that_froze_past_its_lease_does_no_harm_when_it_wakes(world: World, copies: Copies, anvil: Anvil) -> None:
    world.query(TAKEN)
    with checkpoint_never_wrong(world, anvil):
        leader, heir = copies.leader_and_heir()
        world.town.traffic(40)
        with frozen(leader):
            busy(world.town)
            wait_until(lambda: copies.holds_all(heir), heir)
            wait_until(world.is_true, heir)
            busy(world.town)
        busy(world.town)
        wait_until(world.is_true, heir)
        wait_until(copies.hold_all, heir)
        assert world.query("SELECT * FROM taken") == []
        assert leader.poll() is None
        copies.stop()


def test_a_leader_that_froze_in_the_middle_of_a_transaction_does_not_stop_the_other(
    world: World, copies: Copies, anvil: Anvil
) -> None:
    with checkpoint_never_wrong(world, anvil):
        leader, heir = copies.leader_and_heir()
        with locked(world.database, CHECKPOINT):
            busy(world.town)
            wait_until(lambda: waits_for_a_lock(world.database), leader)
            leader.send_signal(signal.SIGSTOP)
        # Its backend has the lock now, and waits for a client that does not go on.
        wait_until(lambda: copies.holds_all(heir), heir)
        wait_until(world.is_true, heir)
        leader.send_signal(signal.SIGCONT)
        busy(world.town)
        wait_until(world.is_true, heir)
        copies.stop()


def test_a_leader_whose_connection_is_cut_in_transactions_loses_nothing(world: World, copies: Copies, anvil: Anvil) -> None:
    with checkpoint_never_wrong(world, anvil):
        leader = copies.leader()
        for _ in range(3):
            with locked(world.database, CHECKPOINT):
                busy(world.town)
                wait_until(lambda: waits_for_a_lock(world.database), leader)
                admin(world.database, f"SELECT pg_terminate_backend(pid) {OURS} AND wait_event_type = 'Lock'")
        wait_until(world.is_true, leader)
        copies.stop()


@contextmanager
def frozen(process: subprocess.Popen[str]) -> Iterator[None]:
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)
