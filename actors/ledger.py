"""The ledger worker: leases rows of `wallet_balances`, chain by chain, and has them read; the writer writes them and frees them.

Takes: every so often, from Postgres, the chains and the rows of each that were checked longest ago. Sends: touches to the chain's batcher,
and what cannot be read to the writer. On crash or kill: open claims live in the errand book, and are resumed and renewed. A process that
dies leaves leases, which end by themselves. On a clean stop the writer frees what is held.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import psycopg
import trio

from actors.claim import LABEL, Claim, LedgerRow, claim_of
from actors.config import LedgerConfig
from actors.errand import Errand, ErrandBook
from actors.errors import ConfigError
from actors.ledger_chains import LedgerChains, Unusable
from actors.log import get_logger
from actors.mailbox import Mailbox
from actors.messages import Outcome, Release
from actors.metrics import Metrics
from actors.ports import ChainPorts, Store
from actors.progress import effort
from actors.store import ledger as ledger_store
from actors.store import ledger_write
from actors.store.ledger import ChainRow, Tables
from actors.store.postgres import one_line
from actors.timers import Timers
from actors.unwritable import ONE_ROWS_FAULT
from actors.view import LedgerView, ServiceView

RENEWALS = 3  # in the time of a lease
ATTEMPTS = 3
log = get_logger("ledger")


@dataclass
class LedgerPorts:
    """What the system hands to the worker. `config`: as it is now."""

    config: Callable[[], LedgerConfig]
    holder: str
    store: Store
    readings: Mailbox[tuple[Outcome, ...]]
    chains: LedgerChains
    book: ErrandBook
    view: ServiceView
    metrics: Metrics
    timers: Timers


@dataclass
class _Working:
    """A chain that is worked on: its row as it is now."""

    row: ChainRow
    scope: trio.CancelScope


class Ledger:
    """One incarnation. See the module."""

    def __init__(self, ports: LedgerPorts) -> None:
        self._ports = ports
        self._working: dict[str, _Working] = {}

    @property
    def _config(self) -> LedgerConfig:
        return self._ports.config()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """For ever."""
        task_status.started()
        store = self._ports.store
        with effort():
            tables = await store.patiently(ledger_store.tables, self._config.address_from)
        async with trio.open_nursery() as nursery:
            while True:
                with effort():
                    await self._look(nursery, await store.patiently(ledger_store.chains), tables)
                await self._ports.timers.sleep(lambda: self._config.interval_secs)

    async def _look(self, nursery: trio.Nursery, rows: list[ChainRow], tables: Tables) -> None:
        """Begin with chains that are new, and end with those that are gone or have become others."""
        now = {row.id: row for row in rows}
        for number, working in list(self._working.items()):
            row = now.get(number)
            if row is None or (row.name, row.rpc_url) != (working.row.name, working.row.rpc_url):
                working.scope.cancel()
                del self._working[number]
            else:
                working.row = row
        left = {errand.asset for errand in self._ports.book.claims()} | set(self._ports.view.ledger) | set(self._ports.chains.rows())
        for number in left - set(now):
            await self._leave(number)
        for row in rows:
            if row.id not in self._working:
                self._working[row.id] = _Working(row, trio.CancelScope())
                nursery.start_soon(self._work, self._working[row.id], tables)

    async def _leave(self, number: str) -> None:
        """A chain is inactive, or gone: its rows are freed, its batcher stops."""
        log.info("leaves a chain", chain=number)
        for errand in self._ports.book.claims():
            if errand.asset == number:
                await self._release(errand)
        await self._ports.chains.leave(number)
        self._ports.view.ledger.pop(number, None)

    async def _release(self, errand: Errand) -> None:
        with self._ports.readings.lane(False).inlet() as outlet:
            await outlet.send((Release(errand.id),))

    async def _work(self, working: _Working, tables: Tables) -> None:
        """One chain's claims, one after the other."""
        shown = self._ports.view.ledger.setdefault(working.row.id, LedgerView(working.row.name))
        with working.scope:
            due = trio.current_time()
            while True:
                try:
                    with effort():
                        ports = await self._ports.chains.join(working.row, self._ports.store)
                        await self._claims(ports, working.row, tables, shown)
                    shown.error = None
                except Unusable as error:
                    _show(working.row, shown, str(error))
                except (psycopg.Error, ValueError, TypeError) as error:
                    # What this chain's rows hold, or a bug: either way the other chains go on.
                    _show(working.row, shown, f"{type(error).__name__}: {one_line(error)}", error)
                due = await self._ports.timers.sleep_until(partial(self._next, due, trio.current_time()))

    def _next(self, last: float, now: float) -> float:
        """When the next claim is due: a late one is not made up for."""
        return max(last + self._config.interval_secs, now)

    async def _claims(self, ports: ChainPorts, row: ChainRow, tables: Tables, shown: LedgerView) -> None:
        """What a dead incarnation left open, or else one new claim."""
        left, lease = [errand for errand in self._ports.book.claims() if errand.asset == row.id], self._config.lease_secs
        for errand in left or await self._claim(ports, row, tables, lease):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._renew, ports, errand, 0 if left else lease / RENEWALS)
                await ports.see_through(errand, live=False)
                nursery.cancel_scope.cancel()
            if errand.dropped:
                raise Unusable(f"rows were given back, since nothing answers: {_endpoints(ports)}")
            self._completed(row, errand, shown)

    async def _claim(self, ports: ChainPorts, row: ChainRow, tables: Tables, lease_secs: float) -> list[Errand]:
        await _check(ports)
        locked_by = f"{self._ports.holder}:{secrets.token_hex(8)}"
        rows = await self._leased(row, tables, locked_by, lease_secs)
        if not rows:
            return []
        claim, items = claim_of(rows, locked_by, tables.id_type, self._config.address_from)
        self._ports.metrics.touches.labels(LABEL, "sweep").inc(len(items))
        errand = self._ports.book.register("claim", ports.config.name, row.id, items, claim=claim)
        errand.requested = len(rows)
        return [errand]

    async def _leased(self, row: ChainRow, tables: Tables, locked_by: str, lease_secs: float) -> list[LedgerRow]:
        """A row that takes no update is set aside: it would fail every claim."""
        store, most = self._ports.store, self._config.batch_size
        for _ in range(ATTEMPTS):
            try:
                return await store.patiently(ledger_store.claim, tables, row.id, locked_by, lease_secs, most)
            except ONE_ROWS_FAULT:
                await self._set_aside(row)
        return []

    async def _set_aside(self, row: ChainRow) -> None:
        """Those that a claim would take; another worker may have found them first."""
        store = self._ports.store
        found = await store.patiently(ledger_store.unclaimable, row.id, self._config.batch_size)
        for number, reason in found.items():
            log.error("ledger row cannot be leased", id=number, reason=reason)
            await store.patiently(ledger_write.put_aside, number, f"cannot be leased: {reason}")

    async def _renew(self, ports: ChainPorts, errand: Errand, after_secs: float) -> None:
        """Renew what is left of a claim, time and again; give it back where no endpoint has been there for a whole lease.

        When a lease is renewed goes by what it was taken for, whatever is configured by then: a longer one would come too late for it.
        """
        claim = errand.claim
        assert claim is not None  # it is a claim's errand
        away = 0
        while away < RENEWALS:
            await trio.sleep(after_secs)
            lease = self._config.lease_secs
            after_secs = lease / RENEWALS
            ids = [held.id for key in errand.pending for held in claim.rows.get(key, ())]
            with effort():
                if ids:
                    await self._renewed(claim, ids, lease)
                away = 0 if ports.pool.healthy() else away + 1
        await self._release(errand)

    async def _renewed(self, claim: Claim, ids: list[str], lease_secs: float) -> None:
        try:
            await self._ports.store.patiently(ledger_store.renew, claim.id_type, ids, claim.locked_by, lease_secs)
        except ONE_ROWS_FAULT as error:  # a row takes no update any more: the leases end by themselves, and the writes are fenced
            log.warning("leases are not renewed", rows=len(ids), reason=one_line(error))

    def _completed(self, row: ChainRow, errand: Errand, shown: LedgerView) -> None:
        shown.ticks += 1
        shown.tick_requested, shown.tick_updated = errand.requested, errand.updated
        log.info("ledger: tick complete", chain=row.name, requested=errand.requested, updated=errand.updated)


async def _check(ports: ChainPorts) -> None:
    """Raise Unusable where no endpoint is there and on the chain: its rows would be held for nothing."""
    if not ports.pool.healthy():
        for endpoint in ports.pool.endpoints:  # whoever runs it may have mended it: it is asked again
            endpoint.chain_ok = endpoint.chain_ok or None
    try:
        await ports.pool.check_chain()
    except ConfigError as error:
        raise Unusable(str(error)) from error
    if not ports.pool.healthy():
        raise Unusable(_endpoints(ports))


def _endpoints(ports: ChainPorts) -> str:
    return "; ".join(
        f"{each.name}: {'is on another chain' if each.chain_ok is False else each.last_error or 'is down'}" for each in ports.pool.endpoints
    )


def _show(row: ChainRow, shown: LedgerView, reason: str, error: Exception | None = None) -> None:
    """Why nothing is read on a chain; logged when it changes."""
    if shown.error != reason:
        log.warning("chain cannot be used", chain=row.name, reason=reason, exc_info=error)
    shown.error = reason
