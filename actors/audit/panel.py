"""Who is asked for a block's balances, in which order, and what is known of the state that each endpoint keeps.

First the endpoints that the batcher does not prefer: what wrote a wrong row would say the same again. Then archives, then the preferred one.
Nothing that fails here is held against an endpoint: it is the live path's, and old state is nothing that it owes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Literal

import trio

from actors.audit.verdict import Answered, Row, is_ahead
from actors.audit.window import NEAR_HEAD, Window
from actors.config import ChainConfig
from actors.errors import NodeBehind, NodeError, Permanent, TooLarge, WrongBlock, WrongChain
from actors.evm.block import Pin
from actors.evm.endpoint import Endpoint, Http, public_name
from actors.evm.meter import Meter
from actors.evm.rung import Value
from actors.evm.size import CallSize
from actors.log import get_logger
from actors.ports import ChainPorts
from actors.progress import beat
from actors.restarts import Backoff

TRIES = 5
RETRY_SECS = (0.1, 2.0)
WITNESSES, KEPT_WITNESSES = 3, 32
MOST_UNREADABLE = 16  # wallets of one block: where more are, it is the node that gives too little
log = get_logger("audit")


Cause = Literal["pruned", "ahead", "recent", "failed"]


class Unread(Exception):
    """Nobody could answer for a block. Its state is gone; there is no such block, nor was there; it is so new that they may be behind; or
    they failed.
    """

    def __init__(self, cause: Cause, names: tuple[str, ...], why: str) -> None:
        super().__init__(why)
        self.cause, self.names = cause, names


class NoState(NodeBehind):
    """Nothing in an answer shows that the node has that block's state: some answer 0 to all where they have pruned it."""


def archives_of(chain: ChainConfig, client: Http, meter: Meter, on_request: Callable[[str, str], object]) -> list[Endpoint]:
    """The endpoints of `archive`, which nothing but the audit asks."""
    found = []
    for at, url in enumerate(chain.archive):
        endpoint = Endpoint(f"{public_name(url)}#archive{at + 1}", url, len(chain.http) + at, chain.chain_id, client)
        endpoint.meter, endpoint.on_request = meter, on_request
        found.append(endpoint)
    return found


class Panel:
    """One asset's: it outlives the actor. Sizes of calls are its own: a wallet that only old blocks make fail is no limit of the sweep's."""

    def __init__(self, ports: ChainPorts, asset: str) -> None:
        self._ports, self._asset = ports, asset
        self._windows: dict[str, Window] = {}
        self._sizes: dict[tuple[str, str], CallSize] = {}
        self._witnesses: deque[str] = deque(maxlen=KEPT_WITNESSES)

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

    def met(self, rows: Sequence[Row]) -> None:
        """Rows of wallets that have a balance: who answers 0 to all of them has no state. Each call asks for some as well; those that the
        chain said it of are better.
        """
        if not self._witnesses:
            self._witnesses.extend([row.wallet for row in rows if row.balance != "0"][:WITNESSES])

    async def ask(self, block: int, wallets: Sequence[str], but: str | None = None) -> Answered:
        """What the first who can says of the wallets at a block; `but`: anybody but that URL. Raises Unread."""
        backoff, why = Backoff(*RETRY_SECS), list[tuple[Endpoint, NodeError]]()
        for left in reversed(range(TRIES)):
            asked = [one for one in self.endpoints() if one.url != but and block > self._window(one).gone_to(trio.current_time())]
            why = []
            for endpoint in asked:
                try:
                    return await self._from(endpoint, block, wallets)
                except NodeError as error:
                    why.append((endpoint, error))
            if not left or all(isinstance(error, NodeBehind | WrongChain) for _, error in why):
                break
            beat()
            await trio.sleep(backoff.after(0))
        raise self._unread(block, why)

    def _unread(self, block: int, why: Sequence[tuple[Endpoint, NodeError]]) -> Unread:
        heads = [endpoint.last_head for endpoint, error in why if endpoint.last_head is not None and isinstance(error, NodeBehind)]
        # What is from another block proves nothing, and a node that answers so of an old one does not have it.
        cause: Cause = "pruned" if all(isinstance(error, NodeBehind | WrongBlock | WrongChain) for _, error in why) else "failed"
        if heads and block > max(heads) - NEAR_HEAD:
            cause = "ahead" if len(heads) == len(why) and is_ahead(block, heads) else "recent"
        text = "; ".join(f"{endpoint.name}: {error}" for endpoint, error in why)
        return Unread(cause, tuple(endpoint.name for endpoint, _ in why), text)

    async def ask_again(self, first: Answered, block: int, wallets: Sequence[str]) -> Answered:
        """A second opinion: another endpoint's; where there is none, the same one's, by another rung if it serves one. Raises Unread."""
        try:
            return await self.ask(block, wallets, but=first.url)
        except Unread:
            endpoint = next((one for one in self.endpoints() if one.url == first.url), None)
            if endpoint is None:
                raise
        try:
            return await self._from(endpoint, block, wallets, endpoint.rungs[-1] if endpoint.rungs else None)
        except NodeError as error:
            raise self._unread(block, [(endpoint, error)]) from error

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
            except NodeBehind:
                if head is not None:
                    self._window(endpoint).refused(block, head.number, trio.current_time())
                raise

    async def _read(self, endpoint: Endpoint, block: int, wallets: Sequence[str], rung: str | None) -> Answered:
        await self._ports.reader.probe(endpoint)
        header = await endpoint.header(block)
        if header is None:
            raise NodeBehind(f"has no block {block}")
        pin = Pin(header.number, header.hash, header)
        witnesses = [one for one in list(self._witnesses)[-WITNESSES:] if one not in wallets]
        sums = await _Asking(self, endpoint, pin, rung).sums([*wallets, *witnesses])
        rich = [wallet for wallet, value in sums.items() if value]
        if not rich and self._witnesses:
            raise NoState(f"shows nothing of the state of block {block}")
        self._window(endpoint).answered(block)
        self._witnesses.extend([wallet for wallet in rich[:WITNESSES] if wallet not in self._witnesses])
        return Answered("0x" + header.hash.hex(), endpoint.name, endpoint.url, sums)

    def size(self, endpoint: Endpoint, rung: str | None) -> CallSize:
        """How many wallets go into a call."""
        used = self._ports.reader.rung(endpoint, rung)
        most = min(self._ports.config.holders_per_call, used.most)
        return self._sizes.setdefault((endpoint.url, used.name), CallSize(most))

    async def values(self, endpoint: Endpoint, pin: Pin, wallets: Sequence[str], rung: str | None) -> list[Value]:
        """One call's. Raises NodeError."""
        sources, began = self._ports.sources_of(self._asset), trio.current_time()
        plan = [(sources, bytes.fromhex(wallet[2:])) for wallet in wallets]
        try:
            answer = await self._ports.reader.read(endpoint, pin, plan, wide=True, rung=rung)
        except Permanent:
            endpoint.probed = False  # a rung that stopped working
            raise
        self.size(endpoint, rung).accepted(len(wallets), trio.current_time() - began, answer.gas)
        return answer.values


class _Asking:
    """The calls for one block's wallets. A part that is too large is halved, down to a wallet that cannot be read at all."""

    def __init__(self, panel: Panel, endpoint: Endpoint, pin: Pin, rung: str | None) -> None:
        self._panel, self._endpoint, self._pin, self._rung = panel, endpoint, pin, rung
        self._read: dict[str, int | None] = {}
        self._unreadable = 0

    async def sums(self, wallets: Sequence[str]) -> dict[str, int | None]:
        """Each wallet's; None where it has none. Raises NodeError, also TooLarge where hardly any wallet can be read."""
        at = 0
        while at < len(wallets):
            part = wallets[at : at + self._panel.size(self._endpoint, self._rung).current]
            try:
                await self._part(part)
            except TooLarge:
                self._panel.size(self._endpoint, self._rung).refused(len(part))
                await self._halves(part)
            at += len(part)
        return self._read

    async def _part(self, wallets: Sequence[str]) -> None:
        values = await self._panel.values(self._endpoint, self._pin, wallets, self._rung)
        self._read |= {wallet: value if isinstance(value, int) else None for wallet, value in zip(wallets, values, strict=True)}

    async def _halves(self, wallets: Sequence[str]) -> None:
        middle = len(wallets) // 2
        for half in (wallets[:middle], wallets[middle:]):
            try:
                await self._part(half)
            except TooLarge:
                if len(half) > 1:
                    await self._halves(half)
                elif self._unreadable < MOST_UNREADABLE:
                    self._unreadable += 1
                    self._read |= dict.fromkeys(half)
                else:
                    raise
