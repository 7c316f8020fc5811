"""The simulation's double of the ledger does what real Postgres does, step by step."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actors.store import ledger, ledger_write
from actors.store.ledger_write import Balance, Fault
from actors.store.postgres import Conn, connect
from tests.ledger_scene import Books, a_wallet
from tests.simulation.tables import BEGAN, Tables
from tests.simulation.tables_contents import Asset, Entry
from tests.store.double_postgres import CLOCK, SESSION
from tests.store.test_ledger import books as books  # the fixture

ROWS = 8
TOKEN = "0x" + "c1" * 20


class Both:
    """The same rows on both sides."""

    def __init__(self, books: Books, conn: Conn, rng: random.Random) -> None:
        self.secs, self._conn, self._books, self.rng = 0.0, conn, books, rng
        self.tables = Tables(lambda: self.secs)
        conn.execute(CLOCK)
        conn.execute(SESSION)
        self.chains = [books.chain("one"), books.chain("two")]
        self.assets = [books.asset(chain, token) for chain in self.chains for token in (None, TOKEN)]
        self.ids = []
        for chain in self.chains:
            self.tables.ledger_chains[chain] = ("one" if chain == self.chains[0] else "two", None)
        for at, asset in enumerate(self.assets):
            self.tables.ledger_assets[asset] = Asset(self.chains[at // 2], TOKEN if at % 2 else None)
        for at in range(ROWS):
            asset, checked = self.assets[at % 4], BEGAN - timedelta(seconds=ROWS - at)
            wallet = books.address(a_wallet(at + 1), self.chains[at % 4 // 2])
            row = books.row(wallet, asset, last_checked=checked.replace(tzinfo=UTC))
            self.tables.ledger[row] = Entry(asset, (a_wallet(at + 1), True, True), last_checked=checked, wallet_id=wallet)
            self.ids.append(row)
        self.pass_time(1)

    def pass_time(self, secs: float) -> None:
        self.secs += secs
        self._conn.execute("select set_config('double.now', %s, false)", [(BEGAN + timedelta(seconds=self.secs)).isoformat() + "+00"])

    def run(self, fn: Any, *args: Any) -> None:
        """Both sides say the same, and hold the same afterwards."""
        real, double = fn(self._conn, *args), self.tables.run(fn, *args)
        assert real == double, (fn, args)
        assert self._real() == dict(self.tables.ledger), (fn, args)
        assert self._aside() == {key[1].decode(): tuple(aside) for key, aside in self.tables.aside.items()}

    def _real(self) -> dict[str, Entry]:
        found = self._conn.execute(
            """
            select id::text, asset_on_chain_id::text, on_chain_balance_raw, on_chain_balance_human::text, locked_by, locked_until, processing_status,
                last_checked, last_processed_at, last_error, last_error_at, sync_count, error_count from wallet_balances
            """
        )
        entries = {}
        for number, asset, raw, human, by, until, status, checked, processed, error, error_at, syncs, errors in found:
            address = self.tables.ledger[number].address
            at = [_naive(time) for time in (until, checked, processed, error_at)]
            wallet = self.tables.ledger[number].wallet_id
            entries[number] = Entry(asset, address, raw, human, by, at[0], status, at[1], at[2], error, at[3], syncs, errors, wallet)
        return entries

    def _aside(self) -> dict[str, Any]:
        rows = self._conn.execute("select row_key, block, error, attempts, next_attempt from trueup_set_aside")
        return {key: (block, error, attempts, _naive(at)) for key, block, error, attempts, at in rows}

    def toggle(self) -> None:
        """Another program turns an asset off, or on."""
        asset = self.rng.choice(self.assets)
        active = not self.tables.ledger_assets[asset].active
        self.tables.ledger_assets[asset] = self.tables.ledger_assets[asset]._replace(active=active)
        self._conn.execute("update asset_on_chain set is_active = %s where id = %s", [active, asset])

    def named(self, row: str) -> tuple[str, str]:
        """The row's wallet and asset; now and then another one's, as if it had changed meanwhile."""
        entry = self.tables.ledger[self.rng.choice(self.ids) if self.rng.random() < 0.1 else row]
        return entry.wallet_id, entry.asset

    def step(self) -> None:
        """Something that a worker may do, or has done too late."""
        rng, by = self.rng, self.rng.choice(("a", "b"))
        some = rng.sample(self.ids, rng.randint(1, 4))
        own = ledger.tables(self._conn, ["user_wallet_addresses"])
        match rng.randrange(8):
            case 0 | 1 | 2:
                self.run(ledger.claim, own, rng.choice(self.chains), by, rng.choice((2.0, 9.0)), rng.randint(1, 4))
            case 3:
                self.run(ledger.renew, "uuid", some, by, 7.0)
            case 4 | 5:
                balances = [Balance(row, by, *self.named(row), str(at), f"{at}.5", 5 * rng.random()) for at, row in enumerate(some)]
                self.run(ledger_write.write, "uuid", balances, lambda: 10.0)
            case 6:
                self.run(ledger_write.fail, "uuid", [Fault(row, by, "no") for row in some[:1]])
            case _:
                self.run(ledger_write.free, "uuid", [(row, by) for row in some])
        if rng.random() < 0.1:
            self.toggle()
        self.pass_time(rng.choice((1, 1, 3, 12)))


def _naive(time: datetime | None) -> datetime | None:
    return None if time is None else time.astimezone(UTC).replace(tzinfo=None)


@pytest.fixture
def conn(books: Books) -> Iterator[Conn]:
    with connect(books.url) as conn:
        yield conn


@pytest.mark.parametrize("seed", range(6))
def test_whatever_workers_do_both_sides_say_and_hold_the_same(books: Books, conn: Conn, seed: int) -> None:
    both = Both(books, conn, random.Random(seed))
    for _ in range(60):
        both.step()
    assert any(entry.sync_count for entry in both.tables.ledger.values())
    both.run(ledger.learn, both.chains[0], 5)
    both.run(ledger.learn, both.chains[0], 6)
    both.run(ledger.chains)
