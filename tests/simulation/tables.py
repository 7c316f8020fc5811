"""A double of the Postgres store for the simulation: it does in memory, at once and by a clock handed in, what `actors/store` does there.

`tests/store/test_double.py` holds both to the same rules. It is told a unit by the real function and runs its own of that name:
`tables.run(checkpoint.load, "audio")` is what `checkpoint.load(conn, "audio")` is on Postgres. A unit that raises leaves nothing changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar, cast

from actors.audit.verdict import Drift
from actors.config import AssetConfig, Config
from actors.messages import PageReading, PageResult, WriteBatch, WriteResult
from actors.store import (
    ages,
    audit,
    chain,
    checkpoint,
    holders,
    leases,
    ledger,
    ledger_write,
    pages,
    schema,
    set_aside,
    spend,
    write,
)
from actors.store.ledger_write import Balance
from tests.simulation import tables_audit, tables_ledger, tables_pages, tables_write
from tests.simulation import tables_units as units
from tests.simulation.tables_contents import BEGAN, PLACEHOLDER, Aside, Contents, Lease, Row

__all__ = ["BEGAN", "PLACEHOLDER", "Aside", "Lease", "Observer", "Row", "Tables"]

T = TypeVar("T")


def _fits(c: Contents, config: Config) -> None:
    """As `schema.check` over a schema that fits."""


UNITS: dict[Callable[..., Any], Callable[..., Any]] = {
    chain.branch: units.branch,
    chain.remembered: units.remembered,
    chain.forget: units.forget,
    chain.remember: units.remember,
    chain.asked_since: units.asked_since,
    chain.prune: units.prune,
    chain.reorg: units.reorg,
    checkpoint.load: units.load,
    checkpoint.opening: units.opening,
    checkpoint.load_many: units.load_many,
    checkpoint.create: units.create,
    holders.look_up: units.look_up,
    holders.prepare_tick: units.prepare_tick,
    pages.oldest_page: tables_pages.oldest_page,
    pages.write_page: tables_pages.write_page,
    holders.insert_placeholders: units.insert_placeholders,
    holders.above: units.above,
    holders.count: units.count,
    ages.measure: units.measure_ages,
    set_aside.due: units.due,
    set_aside.count: units.count_aside,
    set_aside.shown: units.shown_aside,
    leases.hold: units.hold,
    leases.free: units.free,
    spend.book: units.book,
    spend.by_day: units.by_day,
    schema.check: _fits,
    write.write: tables_write.write,
    ledger.tables: tables_ledger.tables,
    ledger.chains: tables_ledger.chains,
    ledger.learn: tables_ledger.learn,
    ledger.claim: tables_ledger.claim,
    ledger.renew: tables_ledger.renew,
    ledger_write.write: tables_ledger.write,
    ledger_write.fail: tables_ledger.fail,
    ledger_write.put_aside: tables_ledger.put_aside,
    ledger_write.free: tables_ledger.free,
    audit.extent: tables_audit.extent,
    audit.at_places: tables_audit.at_places,
    audit.rows_of: tables_audit.rows_of,
    audit.look_again: tables_audit.look_again,
    audit.record: tables_audit.record,
    audit.unmended: tables_audit.unmended,
    audit.conclude: tables_audit.conclude,
}


class Observer(Protocol):
    """Who looks on at each step. It may read the tables that it was made with, and raises where something does not hold."""

    def writes(self, batch: WriteBatch) -> None: ...
    def wrote(self, batch: WriteBatch, result: WriteResult) -> None: ...
    def reorged(self, chain: str, fork: int, branch: int) -> None: ...
    def synced(self, balances: Sequence[Balance], written: set[str]) -> None: ...
    def alarmed(self, drifts: Sequence[Drift]) -> None: ...


class Tables(Contents):
    """The whole database. `clock` is in seconds since some epoch; the tables' own time begins with 2026."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(clock)
        self.observers: list[Observer] = []

    def unit(self, fn: Callable[..., T]) -> Callable[..., T]:
        """The double's own of a unit of `actors/store`, which takes what that takes after the connection."""
        if fn not in UNITS:
            raise LookupError(f"the double has no {fn.__module__}.{fn.__qualname__}")
        return partial(self.run, fn)

    def run(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a unit, whole or not at all, and tell the observers of writes and reorgs."""
        if fn is pages.write_page:
            return cast("T", self._page(*args))
        if fn is write.write:
            for observer in self.observers:
                observer.writes(args[0])
        before = dict(self.chains)
        result: Any = self._whole(fn, args)
        for observer in self.observers:
            if fn is write.write:
                observer.wrote(args[0], result)
            elif fn is ledger_write.write:
                observer.synced(args[1], result)
            elif fn is audit.record:
                observer.alarmed(args[1])
            elif fn is chain.reorg and before.get(args[0], 0) != self.chains[args[0]]:
                observer.reorged(args[0], args[2], result[0])
        return cast("T", result)

    def _page(self, reading: PageReading, assets: Mapping[str, AssetConfig], clock: Callable[[], float]) -> PageResult:
        """Observers see a page as the readings that are in it."""
        batch = tables_pages.batch_of(reading, clock)
        for observer in self.observers:
            observer.writes(batch)
        result: PageResult = self._whole(pages.write_page, (reading, assets, clock))
        keys = [(r.touch.asset, r.touch.wallet) for r in batch.readings]
        rows = self.rows(assets[reading.page.asset].table)
        updated = frozenset(key for key in keys if result.updated is not None and key[1] in rows and rows[key[1]].read_block == reading.block)
        refused = tuple(r.touch for r in batch.readings) if result.updated is None else ()
        for observer in self.observers:
            observer.wrote(batch, WriteResult(refused, updated=updated))
        return result

    def _whole(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        self.undo.clear()
        try:
            return UNITS[fn](self, *args)
        except BaseException:
            self.take_back()
            raise
