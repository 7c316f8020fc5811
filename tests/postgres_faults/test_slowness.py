"""It is slow, or does not go on: the rest slows down, and nothing piles up."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.chain_ports import TOUCH_MESSAGES
from actors.sandbox.town import Town
from actors.system import READING_MESSAGES, System
from actors.writer import MESSAGES_AT_ONCE
from tests.postgres_world import CHECKPOINT, admin, busy, following, locked, true_and_ready, with_a_row_each
from tests.world import LOGS, World, eventually


def deadlocks(url: str) -> int:
    return int(admin(url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")[0][0])


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
    async with following(world, sweep=True) as system:
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
    async with following(world) as system:
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
