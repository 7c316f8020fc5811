"""The writer's part for a sweep's pages, each written whole over a connection of its own.

A page is not split into outcomes, which would cost many times what all else of a sweep does; only a row that takes no value leaves it, and
is set aside as an outcome is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

import trio

from actors.errand import ErrandBook
from actors.mailbox import Lane
from actors.messages import Outcome, PageReading, Touch
from actors.ports import ChainPorts, Store, clock
from actors.progress import effort
from actors.store.pages import write_page
from actors.unwritable import ONE_ROWS_FAULT, unwritable


class PageWriter:
    """One lane of pages and its connection. `commit` writes the outcomes of rows that leave their page."""

    def __init__(
        self,
        lane: Lane[PageReading],
        store: Store,
        chain_of: Mapping[str, ChainPorts],
        book: ErrandBook,
        commit: Callable[[Store, Sequence[Outcome]], Awaitable[None]],
    ) -> None:
        self._lane, self._store, self._chain_of, self._book, self._commit = lane, store, chain_of, book, commit

    async def run(self) -> None:
        """Until the lane is closed and empty."""
        with self._lane.outlet() as outlet:
            while True:
                try:
                    (reading,) = await self._lane.take(outlet, 1)
                except trio.EndOfChannel:
                    return
                with effort():
                    self._settle(reading, await self._write(reading) if reading.count else 0)
                self._lane.finished()

    def _settle(self, reading: PageReading, updated: int | None) -> None:
        """Without an await: a page that was written is finished; one that was refused is read again."""
        page = reading.page
        ports = self._chain_of[page.asset]
        if updated is None:
            ports.hand.put_page(page, refused=True)
            ports.hand_bell.ring()
            return
        self._book.finish_page(page, updated)
        ports.metrics.rows_written.labels(page.asset).inc(updated)

    async def _write(self, reading: PageReading) -> int | None:
        """How many rows took their value; None where the page was refused. A value that one row's column cannot hold is that row's error:
        halve until it is alone, then set it aside.
        """
        ports = self._chain_of[reading.page.asset]
        try:
            with ports.metrics.write_seconds.labels("pages").time():
                result = await self._store.patiently(write_page, reading, ports.assets, clock())
        except ONE_ROWS_FAULT as error:
            if reading.count == 1:
                await self._commit(self._store, [unwritable(_only_touch(reading), reading.branch, error)])
                return 0
            parts = [await self._write(half) for half in halves(reading)]
            return None if None in parts else sum(part or 0 for part in parts)
        if result.updated is None:
            ports.fall_back(reading.page.asset, result.closed)
        ports.catch_up(result.branch)
        return result.updated


def halves(reading: PageReading) -> list[PageReading]:
    """The two halves of a page's reading, each still of the whole page."""
    wallets, balances, middle = reading.wallets.split(","), reading.balances.split(","), reading.count // 2
    parts = ((wallets[:middle], balances[:middle]), (wallets[middle:], balances[middle:]))
    return [replace(reading, wallets=",".join(some), balances=",".join(sums), count=len(some)) for some, sums in parts]


def _only_touch(reading: PageReading) -> Touch:
    return Touch(reading.page.asset, bytes.fromhex(reading.wallets[2:]), live=False)
