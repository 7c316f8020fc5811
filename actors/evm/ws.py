"""One WebSocket session with a node: requests, subscriptions, and their notifications in the order they came.

Plain errors leave it, never groups: Transient for whatever ends the connection. A peer that answers no ping is cut. The queue of
notifications is bounded, in number and in bytes; what finds it full is dropped and counted, since a stalled socket answers no pings.
"""

from __future__ import annotations

import itertools
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

import h11
import trio
from trio_websocket import ConnectionClosed, HandshakeError, open_websocket_url
from wsproto.utilities import ProtocolError

from actors.errors import BadAnswer, NodeError, Transient
from actors.evm import jsonrpc, tls

CONNECT_SECS = 10.0
REQUEST_SECS = 10.0
PING_EVERY_SECS = 15.0
PING_SECS = 10.0
MOST_BYTES = 32 * 2**20
MOST_NOTES = 1000
MOST_WAITING = 4 * 2**20  # characters of notifications: a thousand logs or heads are half of that, and a thousand of the largest messages 32 GB
# What the peer, or a host name that is none, makes the library raise; half of a handshake is h11's to complain of.
FAULTS = (ConnectionClosed, HandshakeError, OSError, UnicodeError, ProtocolError, h11.ProtocolError)
_connections = itertools.count(1)
Note = tuple[str, dict[str, Any]]


class Wire(Protocol):
    """An open WebSocket: messages both ways. Whatever ends it is raised, as Transient or as the library's own."""

    async def send_message(self, message: str) -> None: ...
    async def get_message(self) -> str | bytes: ...
    async def ping(self) -> None: ...


Connect = Callable[[str], AbstractAsyncContextManager[Wire]]


class Session:
    """See the module. `connection_id` is unique in the process; `on_traffic` hears the method of each request and notification."""

    def __init__(self, connection: Wire, on_traffic: Callable[[str], object]) -> None:
        self._connection, self._on_traffic = connection, on_traffic
        self._ids = itertools.count(1)
        self._answers: dict[int, Any] = {}
        self._arrived: dict[int, trio.Event] = {}
        self._note_in, self._note_out = trio.open_memory_channel[tuple[Note, int]](MOST_NOTES)
        self._waiting = 0
        self.connection_id = next(_connections)
        self._dropped = 0

    async def request(self, method: str, params: list[Any]) -> Any:
        """One call's result. Raises a NodeError."""
        number = next(self._ids)
        self._on_traffic(method)
        self._arrived[number] = trio.Event()
        try:
            with trio.move_on_after(REQUEST_SECS) as late:
                await self._connection.send_message(jsonrpc.encode(jsonrpc.request(number, method, params)).decode())
                await self._arrived[number].wait()
        finally:
            del self._arrived[number]
            answer = self._answers.pop(number, None)
        if late.cancelled_caught:
            raise Transient(f"{method}: no answer on the socket within {REQUEST_SECS:.0f} s")
        return jsonrpc.result(answer, number, method)

    async def subscribe(self, kind: str, where: dict[str, Any] | None) -> str:
        """The subscription's id; its notifications wait in the queue, also those that came before the id did."""
        found = await self.request("eth_subscribe", [kind] if where is None else [kind, where])
        if not isinstance(found, str):
            raise BadAnswer("eth_subscribe: no id")
        return found

    async def next_note(self) -> Note:
        """The next notification: its subscription's id and what it says."""
        note, size = await self._note_out.receive()
        self._waiting -= size
        return note

    async def _receive_forever(self) -> None:
        while True:
            text = await self._connection.get_message()
            message = jsonrpc.decode(text)
            if not isinstance(message, dict):
                raise BadAnswer("the socket sent no object")
            if message.get("method") == "eth_subscription":
                self._on_traffic("eth_subscription")
                self._take_note(message.get("params"), len(text))
            elif isinstance(number := message.get("id"), int) and number in self._arrived:
                self._answers[number] = message
                self._arrived[number].set()

    def take_dropped(self) -> int:
        """How many notifications found the queue full since this was asked."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    def _take_note(self, params: Any, size: int) -> None:
        subscription, said = (params.get("subscription"), params.get("result")) if isinstance(params, dict) else (None, None)
        if not isinstance(subscription, str) or not isinstance(said, dict):
            raise BadAnswer("the socket sent a notification without a subscription or a result")
        if self._waiting and self._waiting + size > MOST_WAITING:  # one alone is taken: it was held in memory whole already
            self._dropped += 1
            return
        try:
            self._note_in.send_nowait(((subscription, said), size))
            self._waiting += size
        except trio.WouldBlock:
            self._dropped += 1

    async def _ping_forever(self) -> None:
        while True:
            await trio.sleep(PING_EVERY_SECS)
            try:
                with trio.fail_after(PING_SECS):
                    await self._connection.ping()
            except trio.TooSlowError:
                raise Transient("the socket answers no ping") from None


@asynccontextmanager
async def connect(url: str, trusted: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """A connection to a node; `trusted`: whose certificates are, see `tls.trusting`. Raises Transient where it does not open in time."""
    trusted = (trusted or tls.trusting()) if url.lower().startswith("wss:") else None
    with trio.CancelScope() as connecting:
        connecting.deadline = trio.current_time() + CONNECT_SECS
        async with AsyncExitStack() as stack:
            # After a certificate that is refused the library would wait for ever.
            with tls.refusals(connecting.cancel) as refused:
                manager = open_websocket_url(url, trusted, max_message_size=MOST_BYTES, connect_timeout=CONNECT_SECS, disconnect_timeout=1)
                connection = await stack.enter_async_context(manager)
            connecting.deadline = float("inf")
            yield connection
    if refused:
        raise Transient(refused[0])
    if connecting.cancelled_caught:
        raise Transient("the socket does not open")


@asynccontextmanager
async def open_session(
    url: str, connect: Connect = connect, on_traffic: Callable[[str], object] = lambda method: None
) -> AsyncIterator[Session]:
    """Connect; leave it by whatever ends the body or the connection. Raises Transient or another NodeError, plain."""
    fault: BaseException | None = None
    try:
        async with connect(url) as connection, trio.open_nursery() as nursery:
            session = Session(connection, on_traffic)
            nursery.start_soon(session._receive_forever)
            nursery.start_soon(session._ping_forever)
            yield session
            nursery.cancel_scope.cancel()
    except* FAULTS as group:
        fault = Transient(f"the socket is closed: {_leaf(group)}")
    except* NodeError as group:
        fault = _leaf(group)
    if fault is not None:
        raise fault


def _leaf(group: BaseExceptionGroup[Any]) -> BaseException:
    inner = group.exceptions[0]
    if isinstance(inner, BaseExceptionGroup):
        return _leaf(inner)
    if isinstance(inner, ConnectionClosed):
        return Transient(f"code {inner.reason.code}" if inner.reason else "no reason")
    return inner if isinstance(inner, NodeError) else Transient(type(inner).__name__)
