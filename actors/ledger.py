"""The ledger worker: leases rows of `wallet_balances`, chain by chain, and has them read; the writer writes them and frees them.

Takes: every so often, from Postgres, the chains and the rows of each that were checked longest ago. Sends: touches to the chain's batcher,
and what cannot be read to the writer. On crash or kill: open claims live in the errand book, and are resumed and renewed. A process that
dies leaves leases, which end by themselves. On a clean stop the writer frees what is held.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import psycopg
import trio

from actors.claim import LABEL, LedgerRow, claim_of
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
from actors.unwritable import ONE_ROWS_FAULT
from actors.view import LedgerView, ServiceView

RENEWALS = 3  # in the time of a lease
log = get_logger("ledger")


@dataclass
class LedgerPorts:
    """What the system hands to the worker."""

    config: LedgerConfig
    holder: str
    store: Store
    readings: Mailbox[tuple[Outcome, ...]]
    chains: LedgerChains
    book: ErrandBook
    view: ServiceView
    metrics: Metrics


@dataclass
class _Working:
    row: ChainRow
    scope: trio.CancelScope


class Ledger:
    """One incarnation. See the module."""

    def __init__(self, ports: LedgerPorts) -> None:
        self._ports, self._config = ports, ports.config
        self._working: dict[str, _Working] = {}

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
                await trio.sleep(self._config.interval_secs)

    async def _look(self, nursery: trio.Nursery, rows: list[ChainRow], tables: Tables) -> None:
        """Begin with chains that are new, and end with those that are gone or have become others."""
        now = {row.id: row for row in rows}
        for number, working in list(self._working.items()):
            row = now.get(number)
            if row is None or (row.name, row.rpc_url) != (working.row.name, working.row.rpc_url):
                working.scope.cancel()
                del self._working[number]
        left = {errand.asset for errand in self._ports.book.claims()} | set(self._ports.view.ledger)
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
        row = working.row
        shown = self._ports.view.ledger.setdefault(row.id, LedgerView(row.name))
        with working.scope:
            due = trio.current_time()
            while True:
                try:
                    with effort():
                        ports = await self._ports.chains.join(row, self._ports.store)
                        await self._claims(ports, row, tables, shown)
                    shown.error = None
                except Unusable as error:
                    if shown.error != str(error):
                        log.warning("chain cannot be used", chain=row.name, reason=str(error))
                    shown.error = str(error)
                due = max(due + self._config.interval_secs, trio.current_time())
                await trio.sleep_until(due)

    async def _claims(self, ports: ChainPorts, row: ChainRow, tables: Tables, shown: LedgerView) -> None:
        """What a dead incarnation left open, or else one new claim."""
        left = [errand for errand in self._ports.book.claims() if errand.asset == row.id]
        for errand in left or await self._claim(ports, row, tables):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._renew, errand, 0 if left else self._config.lease_secs / RENEWALS)
                await ports.see_through(errand, live=False)
                nursery.cancel_scope.cancel()
            if not errand.dropped:
                self._completed(row, errand, shown)

    async def _claim(self, ports: ChainPorts, row: ChainRow, tables: Tables) -> list[Errand]:
        await _check(ports)
        locked_by = f"{self._ports.holder}:{secrets.token_hex(8)}"
        rows = await self._leased(row, tables, locked_by)
        if not rows:
            return []
        claim, items = claim_of(rows, locked_by, tables.id_type, self._config.address_from)
        self._ports.metrics.touches.labels(LABEL, "sweep").inc(len(items))
        errand = self._ports.book.register("claim", ports.config.name, row.id, items, claim=claim)
        errand.requested = len(rows)
        return [errand]

    async def _leased(self, row: ChainRow, tables: Tables, locked_by: str) -> list[LedgerRow]:
        """A row that takes no update is set aside: it would fail every claim."""
        store, config = self._ports.store, self._config
        while True:
            try:
                return await store.patiently(ledger_store.claim, tables, row.id, locked_by, config.lease_secs, config.batch_size)
            except ONE_ROWS_FAULT as error:
                await self._set_aside(row, error)

    async def _set_aside(self, row: ChainRow, error: psycopg.Error) -> None:
        store = self._ports.store
        found = await store.patiently(ledger_store.unclaimable, row.id, self._config.batch_size)
        for number, reason in found.items():
            log.error("ledger row cannot be leased", id=number, reason=reason)
            await store.patiently(ledger_write.put_aside, number, f"cannot be leased: {reason}")
        if not found:
            raise error

    async def _renew(self, errand: Errand, after_secs: float) -> None:
        claim = errand.claim
        assert claim is not None  # it is a claim's errand
        while True:
            await trio.sleep(after_secs)
            after_secs = self._config.lease_secs / RENEWALS
            ids = [held.id for key in errand.pending for held in claim.rows.get(key, ())]
            if ids:
                held = await self._ports.store.patiently(
                    ledger_store.renew, claim.id_type, ids, claim.locked_by, self._config.lease_secs
                )
                if held < len(ids):
                    log.warning("lost leases to somebody else", chain=errand.chain, rows=len(ids) - held)

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
        raise Unusable("; ".join(f"{each.name}: {each.last_error or 'is on another chain'}" for each in ports.pool.endpoints))
