"""The socket: what a node pushes wakes the closings and hints at wallets, and no checkpoint rests on it.

Reconnects back off with jitter, and the backoff resets after a good session. In `heads` a socket that pushes no head within `stall_secs`
while HTTP has newer ones is replaced; in `logs` one that does not push what two closings have found.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import trio

from actors.config import AssetConfig
from actors.errors import DecodeError, NodeError, Transient, WrongChain
from actors.evm.block import Header
from actors.evm.jsonrpc import chain_id_of
from actors.evm.logs import LogEvent, decode_log, filter_for
from actors.evm.ws import Session, open_session
from actors.log import get_logger
from actors.messages import Touch
from actors.ports import ChainPorts
from actors.progress import effort
from actors.restarts import Backoff
from actors.store import holders

HINTS_AT_ONCE = 1000
HINTS_AHEAD = 1000
BACKOFF_SECS = (1.0, 60.0)
LogId = tuple[bytes, int, int]
log = get_logger("socket")


class PushWatch:
    """Tells a socket that withholds logs from a quiet token: what closings found against what was pushed. Bounded."""

    def __init__(self, most: int = 20_000) -> None:
        self._pushed: deque[LogId] = deque(maxlen=most)
        self._unpushed: dict[str, set[LogId]] = {}
        self._since: int | None = None
        self._of_logs = True

    def connected(self, head: int, of_logs: bool = True) -> None:
        """A new subscription: logs up to `head` are not expected of it, and none at all of one that is not `of_logs`."""
        self._since, self._of_logs = head, of_logs
        self._unpushed.clear()

    @property
    def since(self) -> float:
        """Logs above this block are expected to be pushed; infinity where there is no socket."""
        return float("inf") if self._since is None else self._since

    def disconnected(self) -> None:
        """Nothing is expected while there is no socket."""
        self._since = None

    def pushed(self, found: LogId) -> None:
        """A log was pushed."""
        self._pushed.append(found)

    def closed(self, asset: str, found: Collection[LogId]) -> bool:
        """A closing found these logs: True when some of an earlier closing's were not pushed by now."""
        if self._since is None or not self._of_logs:
            return False
        known, since = set(self._pushed), self._since
        missing = {one for one in found if one[2] > since and one not in known}
        before = self._unpushed.get(asset, set())
        self._unpushed[asset] = missing
        return bool(before - known)


class Socket:
    """One chain's subscription. `wake(whole)` wakes the chain's closings."""

    def __init__(
        self, ports: ChainPorts, assets: Mapping[str, AssetConfig], watch: PushWatch, wake: Callable[[bool], None]
    ) -> None:
        self._ports, self._assets, self._watch, self._wake = ports, assets, watch, wake
        self._session_scope: trio.CancelScope | None = None
        self._hints_send, self._hints = trio.open_memory_channel[tuple[str, LogEvent]](HINTS_AT_ONCE)
        self._pushed_head: int | None = None

    def reconnect(self) -> None:
        """Leave this session: it does not deliver."""
        log.warning("socket does not deliver, reconnects", chain=self._ports.config.name)
        self._ports.view.socket_error = "it did not deliver what the chain has"
        if self._session_scope is not None:
            self._session_scope.cancel()

    async def listen(self) -> None:
        """Keep one session open for ever."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._hint_forever)
            backoff = Backoff(*BACKOFF_SECS)
            for url in itertools.cycle(self._ports.config.ws):
                born = trio.current_time()
                if not await self._try_session(url):
                    delay = backoff.after(trio.current_time() - born)
                    await trio.sleep(delay * random.uniform(0.5, 1.0))

    async def _try_session(self, url: str) -> bool:
        """Whether it was good to its end, which is that the config asks for another kind of session."""
        view, good = self._ports.view, False
        try:
            with trio.CancelScope() as self._session_scope:
                async with open_session(url, self._ports.connect, self._ports.budget.note) as session:
                    await self._session(session)
                    good = True
        except NodeError as error:
            log.warning("socket failed", chain=self._ports.config.name, reason=str(error))
            view.last_error = view.socket_error = str(error)
        finally:
            self._watch.disconnected()
            if view.connected:
                view.connected = False
                self._wake(True)
        self._ports.metrics.reconnects.labels(self._ports.config.name).inc()
        return good

    async def _session(self, session: Session) -> None:
        config = self._ports.config
        if chain_id_of(await session.request("eth_chainId", [])) != config.chain_id:
            raise WrongChain("the socket is on another chain")
        subscriptions = await self._subscribe(session, config.follow)
        head = Header.from_json(await session.request("eth_getBlockByNumber", ["latest", False]))
        self._ports.saw_head(head)
        self._watch.connected(head.number, of_logs=config.follow == "logs")
        self._pushed_head = head.number
        self._ports.view.connected, self._ports.view.connected_at = True, trio.current_time()
        log.info("subscribed", chain=config.name, follow=config.follow, connection=session.connection_id)
        self._wake(True)
        while self._ports.config.follow == config.follow:
            await self._next(session, subscriptions, config.follow)
        self._watch.disconnected()  # before anything is awaited: what it did not push from now on is no fault of its

    async def _subscribe(self, session: Session, follow: str) -> dict[str, str]:
        if follow == "heads":
            return {await session.subscribe("newHeads", None): ""}
        return {
            await session.subscribe("logs", dict(filter_for(asset.triggers))): name for name, asset in self._assets.items()
        }

    async def _next(self, session: Session, subscriptions: Mapping[str, str], follow: str) -> None:
        began = trio.current_time()
        with self._ports.timers.move_on_at(lambda: self._quiet_at(began, follow)) as quiet:
            subscription, note = await session.next_note()
        if quiet.cancelled_caught:
            if follow == self._ports.config.follow:
                await self._check_silence()
            return
        self._ports.view.last_push_at = trio.current_time()
        if dropped := session.take_dropped():
            self._ports.metrics.hints_dropped.labels(self._ports.config.name).inc(dropped)
        if subscription in subscriptions:
            name = subscriptions[subscription]
            if name:
                self._take_log(name, note)
            else:
                self._take_head(note)

    def _quiet_at(self, began: float, follow: str) -> float:
        """When it has pushed nothing for too long; one that follows otherwise than the config says by now has pushed enough."""
        config = self._ports.config
        return began + config.stall_secs if config.follow == follow else began

    async def _check_silence(self) -> None:
        """Nothing was pushed for `stall_secs`: in `heads` that is only right where HTTP has no newer head."""
        if self._ports.config.follow != "heads":
            return
        endpoint = await self._ports.pool.pick()
        head = await endpoint.header("latest")
        # Compared with what was pushed, not with the head that is known: that one comes over HTTP, too.
        if head is not None and (self._pushed_head is None or head.number > self._pushed_head):
            raise Transient(f"silent while the chain has moved on to block {head.number}")

    def _take_head(self, note: dict[str, Any]) -> None:
        head = Header.from_json(note)
        self._pushed_head = head.number
        self._ports.saw_head(head)
        self._wake(False)

    def _take_log(self, name: str, note: dict[str, Any]) -> None:
        try:
            event = decode_log(self._assets[name].triggers, note)
        except DecodeError:
            return  # the closing counts and shows it
        if event is None:
            return
        self._ports.asset_views[name].last_event_at = datetime.now(UTC)
        if event.removed:
            self._wake(True)
            return
        self._watch.pushed((event.block_hash, event.index, event.block))
        try:
            self._hints_send.send_nowait((name, event))
        except trio.WouldBlock:
            self._ports.metrics.hints_dropped.labels(self._ports.config.name).inc()

    async def _hint_forever(self) -> None:
        """Touch what was pushed, with one question to Postgres for all that waits."""
        while True:
            waiting = [await self._hints.receive()]
            while len(waiting) < HINTS_AT_ONCE:
                try:
                    waiting.append(self._hints.receive_nowait())
                except trio.WouldBlock:
                    break
            for name in dict.fromkeys(name for name, _ in waiting):
                with effort():
                    await self._hint(name, [event for of, event in waiting if of == name])

    async def _hint(self, name: str, events: list[LogEvent]) -> None:
        newest: dict[bytes, LogEvent] = {}
        for event in events:
            for wallet in event.wallets:
                if wallet not in newest or event.block >= newest[wallet].block:
                    newest[wallet] = event
        rows = await self._ports.store.patiently(holders.look_up, self._assets[name], list(newest))
        touches = []
        for wallet, event in newest.items():
            row = rows.get(wallet)
            if row is None or not row.tracked or row.aside or self._is_far_ahead(event.block):
                continue
            if row.read_block is None or row.read_block < event.block:
                touches.append(Touch(name, wallet, event.block, None, event.block_hash))
        self._offer(tuple(touches))

    def _is_far_ahead(self, block: int) -> bool:
        """A hint is only believed so far: one of a block that will not come would wait for it for ever."""
        head = self._ports.view.head
        return head is None or block > head.number + HINTS_AHEAD

    def _offer(self, touches: tuple[Touch, ...]) -> None:
        """A hint that finds its lane full is dropped and counted: a closing finds it again."""
        if touches and not self._ports.touches.live.offer(touches):
            self._ports.metrics.hints_dropped.labels(self._ports.config.name).inc(len(touches))
