"""Who is asked for a block's balances, in which order, and what is known of the state that each endpoint keeps.

First the endpoints that the batcher does not prefer: what wrote a wrong row would say the same again. Then archives, then the preferred one.
Nothing that fails here is held against an endpoint: it is the live path's, and old state is nothing that it owes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal

import trio

from actors.audit.calls import Calls
from actors.audit.verdict import Answered, is_ahead
from actors.audit.window import Window
from actors.config import ChainConfig
from actors.errors import NodeBehind, NodeError, WrongBlock, WrongChain
from actors.evm import attest
from actors.evm.block import Pin
from actors.evm.endpoint import Endpoint, Http, public_name
from actors.evm.headers import header_of
from actors.evm.meter import Meter
from actors.ports import ChainPorts
from actors.progress import beat
from actors.restarts import Backoff

TRIES = 4
RETRY_SECS = (0.1, 2.0)
Cause = Literal["pruned", "ahead", "recent", "failed"]


class Unread(Exception):
    """Nobody could answer for a block. Its state is gone; there is no such block, nor was there; it is so new that they may be behind; or
    they failed.
    """

    def __init__(self, cause: Cause, names: tuple[str, ...], why: str, newest: int = 0) -> None:
        """`newest`: where it is ahead, the newest head that is known."""
        super().__init__(why)
        self.cause, self.names, self.newest = cause, names, newest


class Behind(NodeBehind):
    """The endpoint has no such block, or not its state, also after it was asked for its `head`."""

    def __init__(self, why: str, head: int) -> None:
        super().__init__(why)
        self.head = head


class NoState(NodeBehind):
    """Nothing in an answer shows that the node has that block's state: where they have pruned it, to some every account is empty."""


def archives_of(chain: ChainConfig, client: Http, meter: Meter, on_request: Callable[[str, str], object]) -> list[Endpoint]:
    """The endpoints of `archive`, which nothing but the audit asks."""
    found = []
    for at, url in enumerate(chain.archive):
        endpoint = Endpoint(f"{public_name(url)}#archive{at + 1}", url, len(chain.http) + at, chain.chain_id, client)
        endpoint.meter, endpoint.on_request = meter, on_request
        found.append(endpoint)
    return found


class Panel:
    """One asset's: it outlives the actor."""

    def __init__(self, ports: ChainPorts, asset: str) -> None:
        self._ports, self._asset = ports, asset
        self._calls = Calls(ports, asset)
        self._windows: dict[str, Window] = {}
        self._tries = TRIES

    def _window(self, endpoint: Endpoint) -> Window:
        return self._windows.setdefault(endpoint.name, Window())

    def endpoints(self) -> list[Endpoint]:
        """Everybody, in the order in which they are asked."""
        pool = self._ports.pool
        preferred = pool.preferred()
        found = [*pool.others(preferred), *self._ports.archives, preferred]
        return [endpoint for endpoint in found if endpoint.chain_ok is not False]

    def gone_to(self) -> int:
        """Up to which block nobody has the state, as far as is known; -1: nothing is known of it."""
        now = trio.current_time()
        return min((self._window(endpoint).gone_to(now) for endpoint in self.endpoints()), default=-1)

    async def ask(self, block: int, wallets: Sequence[str], but: Collection[str] = ()) -> Answered:
        """What the first who can says of the wallets at a block; `but`: anybody but those URLs. Raises Unread."""
        backoff, tries = Backoff(*RETRY_SECS), self._tries
        found = await self._first(block, wallets, but)
        while isinstance(found, list):
            tries -= 1
            if tries <= 0 or all(isinstance(error, NodeBehind | WrongChain) for _, error in found):
                unread = self._unread(block, found)
                self._tries = 1 if unread.cause == "failed" else self._tries  # while they fail, each block need not wait for them anew
                raise unread
            beat()
            await trio.sleep(backoff.after(0))
            found = await self._first(block, wallets, but)
        self._tries = TRIES
        return found

    async def _first(self, block: int, wallets: Sequence[str], but: Collection[str]) -> Answered | list[tuple[Endpoint, NodeError]]:
        """What the first who can says; else why each cannot."""
        why: list[tuple[Endpoint, NodeError]] = []
        for endpoint in [one for one in self.endpoints() if one.url not in but and block > self._window(one).gone_to(trio.current_time())]:
            try:
                return await self._from(endpoint, block, wallets)
            except NodeError as error:
                why.append((endpoint, error))
        return why

    def _unread(self, block: int, why: Sequence[tuple[Endpoint, NodeError]]) -> Unread:
        heads = [endpoint.last_head for endpoint, error in why if endpoint.last_head is not None and isinstance(error, NodeBehind)]
        # What is from another block proves nothing, and a node that answers so of an old one does not have it.
        cause: Cause = "pruned" if all(isinstance(error, NodeBehind | WrongBlock | WrongChain) for _, error in why) else "failed"
        newest = self._newest(why)
        if heads and block > max(heads):
            cause = "ahead" if is_ahead(block, newest) else "recent"
        text = "; ".join(f"{endpoint.name}: {error}" for endpoint, error in why)
        return Unread(cause, tuple(endpoint.name for endpoint, _ in why), text, newest or 0)

    def _newest(self, why: Sequence[tuple[Endpoint, NodeError]]) -> int | None:
        """The newest head that is known, where every endpoint says that it is behind; None else.

        Not where one is down or was left for a while: that one may have the block, and those that are heard be far behind.
        """
        ports = self._ports
        heads = {endpoint.name: error.head for endpoint, error in why if isinstance(error, Behind)}
        if any(one.chain_ok is not False and one.name not in heads for one in (*ports.pool.endpoints, *ports.archives)):
            return None
        known = [ports.view.head.number] if ports.view.head is not None else []
        known += [view.checkpoint_block for view in ports.asset_views.values() if view.checkpoint_block is not None]
        return max([*heads.values(), *known], default=None)

    async def ask_again(self, first: Answered, block: int, wallets: Sequence[str]) -> Answered:
        """A second opinion: another endpoint's, or the same one's by another rung if it serves one. Raises Unread.

        Not the preferred one's, which is heard apart: of a row that it lied about it would say what the row says.
        """
        try:
            return await self.ask(block, wallets, but=(first.url, self._ports.pool.preferred().url))
        except Unread:
            endpoint = next((one for one in self.endpoints() if one.url == first.url), None)
            if endpoint is None:
                raise
        why: list[tuple[Endpoint, NodeError]] = []
        for rung in reversed(endpoint.rungs):
            try:
                return await self._from(endpoint, block, wallets, rung)
            except NodeError as error:
                why.append((endpoint, error))
        raise self._unread(block, why)

    async def hear_preferred(self, asked: Collection[str], block: int, wallets: Sequence[str]) -> Answered | None:
        """What the preferred endpoint says, where it is none of those URLs that were asked, and answers."""
        preferred = self._ports.pool.preferred()
        if preferred.url in asked:
            return None
        try:
            return await self.ask(block, wallets, but=[one.url for one in self.endpoints() if one is not preferred])
        except Unread:
            return None

    async def _from(self, endpoint: Endpoint, block: int, wallets: Sequence[str], rung: str | None = None) -> Answered:
        """What one endpoint says. A block whose state it does not have is asked for twice before that is believed. Raises NodeError."""
        try:
            return await self._read(endpoint, block, wallets, rung)
        except NoState:
            raise
        except NodeBehind:
            head = await endpoint.header("latest")
            try:
                return await self._read(endpoint, block, wallets, rung)
            except NodeBehind as error:
                if head is None:
                    raise
                self._window(endpoint).refused(block, head.number, trio.current_time())
                raise Behind(str(error), head.number) from error

    async def _read(self, endpoint: Endpoint, block: int, wallets: Sequence[str], rung: str | None) -> Answered:
        await self._ports.reader.probe(endpoint)
        header = await header_of(endpoint, block)
        pin = Pin(header.number, header.hash, header)
        sums = await self._calls.sums(endpoint, pin, wallets, rung)
        if not (self._speaks_of_state(sums.values()) or await self._has_code(endpoint, pin)):
            raise NoState(f"shows nothing of the state of block {block}")
        self._window(endpoint).answered(block)
        return Answered("0x" + header.hash.hex(), endpoint.name, endpoint.url, sums, endpoint in self._ports.archives)

    def _speaks_of_state(self, sums: Iterable[int | None]) -> bool:
        """Whether there is a sum that no empty state has: a balance, or a contract's word, since where there is no code there is none."""
        by_contract = any(source.contract is not None for source in self._ports.sources_of(self._asset))
        return any(value is not None and (value > 0 or by_contract) for value in sums)

    async def _has_code(self, endpoint: Endpoint, pin: Pin) -> bool:
        """Whether a contract is there at that block which should be: a source, or Multicall3."""
        contracts = [source.contract for source in self._ports.sources_of(self._asset) if source.contract is not None]
        address = "0x" + (contracts or [self._ports.config.multicall3])[0].hex()
        code = await endpoint.call("eth_getCode", [address, attest.where(pin, endpoint.hash_pins)])
        return isinstance(code, str) and len(code) > 2
