"""The chains that ledger rows are on: rows of `chains`, each joined to a chain of the config, or given ports and a batcher of its own.

They outlive the ledger worker. Which chain a row's node is on is asked once, stored, and compared ever after: a URL that leads to another
chain one day would fill the rows with that one's balances.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from actors.config import ChainConfig
from actors.config.checks import Unexpected, http_url
from actors.errors import NodeError, TrueupError
from actors.evm.endpoint import Endpoint, Http, public_name
from actors.ports import ChainPorts, Store
from actors.store import ledger as ledger_store
from actors.store.ledger import ChainRow

LONGEST_NAME = 40


class Unusable(TrueupError):
    """Why nothing can be read on a chain for now."""


@dataclass
class _Own:
    """A row that has ports of its own; `leaving`: its batcher is being stopped."""

    row: ChainRow
    ports: ChainPorts
    leaving: bool = False

    def fits(self, row: ChainRow) -> bool:
        """Whether the ports are still what the row says. Without a chain id it was just learned, or is to be learned anew."""
        if row.chain_id is None and self.row.chain_id is not None:
            return False
        if row.chain_id is not None:
            self.row = replace(self.row, chain_id=row.chain_id)
        return (self.row.rpc_url, self.row.name, self.ports.config.chain_id) == (row.rpc_url, row.name, row.chain_id or self.ports.config.chain_id)


@dataclass
class LedgerChains:
    """The chains that are joined. `make` gives a chain its ports, `start` and `stop` its batcher."""

    configured: Mapping[str, ChainPorts]
    client: Http
    make: Callable[[ChainConfig], ChainPorts]
    start: Callable[[ChainPorts], Awaitable[None]]
    stop: Callable[[ChainPorts], Awaitable[None]]
    _own: dict[str, _Own] = field(default_factory=dict)

    async def join(self, row: ChainRow, store: Store) -> ChainPorts:
        """The ports of a row's chain. Raises Unusable."""
        configured = next((ports for name, ports in self.configured.items() if name.lower() == row.name.lower()), None)
        own = self._own.get(row.id)
        if own is not None and (own.leaving or configured is not None or not own.fits(row)):
            await self.leave(row.id)
            own = None
        if configured is not None:
            await self._compare(row, configured.config.chain_id, store)
            return configured
        if own is None:
            chain_id, url = await self._learned(row, store), _url(row)
            # Named and kept in one step: a chain of the same name may be joined just now.
            own = self._own[row.id] = _Own(row, self.make(ChainConfig(self._name(row), chain_id, (url,))))
        await self.start(own.ports)
        return own.ports

    async def leave(self, row: str) -> None:
        """The batcher of a chain that is gone, or has another URL, stops. Killed in between, it is gone on with."""
        if (own := self._own.get(row)) is not None:
            own.leaving = True
            await self.stop(own.ports)
            self._own.pop(row, None)

    def rows(self) -> list[str]:
        """Which rows have a batcher of their own."""
        return list(self._own)

    def _name(self, row: ChainRow) -> str:
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", row.name).strip("-.")[:LONGEST_NAME] or "chain"
        taken = {own.ports.config.name.lower() for own in self._own.values()} | {name.lower() for name in self.configured}
        names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
        return next(each for each in names if each.lower() not in taken)

    async def _learned(self, row: ChainRow, store: Store) -> int:
        """The chain that the row's node is on."""
        if row.chain_id is not None:
            return row.chain_id
        url = _url(row)
        try:
            found = await Endpoint(public_name(url), url, 0, 0, self.client).chain_id()
        except NodeError as error:
            raise Unusable(f"{public_name(url)}: {error}") from error
        return await self._compare(row, found, store)

    async def _compare(self, row: ChainRow, chain_id: int, store: Store) -> int:
        known = row.chain_id if row.chain_id is not None else await store.patiently(ledger_store.learn, row.id, chain_id)
        if known != chain_id:
            raise Unusable(f"is chain {chain_id} now, and was chain {known} when it was first asked")
        return known


def _url(row: ChainRow) -> str:
    if not row.rpc_url:
        raise Unusable("has no rpc_url, and is not a [[chain]] of the config")
    try:
        return http_url(row.rpc_url)
    except Unexpected as error:
        raise Unusable(f"rpc_url: expected {error.expected}") from None
