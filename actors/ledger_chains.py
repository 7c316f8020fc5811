"""The chains that ledger rows are on: rows of `chains`, each joined to a chain of the config, or given ports and a batcher of its own.

They outlive the ledger worker. Which chain a row's node is on is asked once, stored, and compared ever after: a URL that leads to another
chain one day would fill the rows with that one's balances.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

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
class LedgerChains:
    """The chains that are joined. `make` gives a chain its ports, `start` and `stop` its batcher."""

    configured: Mapping[str, ChainPorts]
    client: Http
    make: Callable[[ChainConfig], ChainPorts]
    start: Callable[[ChainPorts], Awaitable[None]]
    stop: Callable[[ChainPorts], Awaitable[None]]
    _own: dict[str, tuple[ChainRow, ChainPorts]] = field(default_factory=dict)

    async def join(self, row: ChainRow, store: Store) -> ChainPorts:
        """The ports of a row's chain. Raises Unusable."""
        configured = next((ports for name, ports in self.configured.items() if name.lower() == row.name.lower()), None)
        if configured is not None:
            await self._compare(row, configured.config.chain_id, store)
            return configured
        old, ports = self._own.get(row.id, (None, None))
        if ports is None or old is None or (old.rpc_url, old.name) != (row.rpc_url, row.name):
            await self.leave(row.id)
            ports = self.make(ChainConfig(self._name(row), await self._learned(row, store), (_url(row),)))
            self._own[row.id] = row, ports
        await self.start(ports)
        return ports

    async def leave(self, row: str) -> None:
        """The batcher of a chain that is gone, or has another URL, stops."""
        if (own := self._own.pop(row, None)) is not None:
            await self.stop(own[1])

    def _name(self, row: ChainRow) -> str:
        name = re.sub(r"[^A-Za-z0-9_.-]+", "-", row.name).strip("-.")[:LONGEST_NAME] or "chain"
        taken = {ports.config.name.lower() for _, ports in self._own.values()} | {name.lower() for name in self.configured}
        return f"{name}-{row.id[:8]}" if name.lower() in taken else name

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
