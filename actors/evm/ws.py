"""One WebSocket session with a node: requests, subscriptions, and their notifications in the order they came.

Plain errors leave it, never groups: Transient for whatever ends the connection. A peer that answers no ping is cut. The queue of
notifications is bounded; what finds it full is dropped and counted, since a stalled socket answers no pings.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import trio
from trio_websocket import ConnectionClosed, HandshakeError, open_websocket_url

from actors.errors import BadAnswer, NodeError, Transient
from actors.evm import jsonrpc

CONNECT_SECS = 10.0
REQUEST_SECS = 10.0
PING_EVERY_SECS = 15.0
PING_SECS = 10.0
MOST_BYTES = 32 * 2**20
MOST_NOTES = 1000
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
        self._note_in, self._note_out = trio.open_memory_channel[Note](MOST_NOTES)
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
        return await self._note_out.receive()

    async def _receive_forever(self) -> None:
        while True:
            message = jsonrpc.decode(await self._connection.get_message())
            if not isinstance(message, dict):
                raise BadAnswer("the socket sent no object")
            if message.get("method") == "eth_subscription":
                self._on_traffic("eth_subscription")
                self._take_note(message.get("params"))
            elif (number := message.get("id")) in self._arrived:
                self._answers[number] = message
                self._arrived[number].set()

    def take_dropped(self) -> int:
        """How many notifications found the queue full since this was asked."""
        dropped, self._dropped = self._dropped, 0
        return dropped

    def _take_note(self, params: Any) -> None:
        if not isinstance(params, dict) or not isinstance(params.get("result"), dict):
            raise BadAnswer("the socket sent a notification without a result")
        try:
            self._note_in.send_nowait((str(params.get("subscription")), params["result"]))
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
async def connect(url: str) -> AsyncIterator[Wire]:
    """A connection to a node. Raises Transient where it does not open in time."""
    with trio.CancelScope() as connecting:
        connecting.deadline = trio.current_time() + CONNECT_SECS
        manager = open_websocket_url(url, max_message_size=MOST_BYTES, connect_timeout=CONNECT_SECS, disconnect_timeout=1)
        async with manager as connection:
            connecting.deadline = float("inf")
            yield connection
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
    except* (ConnectionClosed, HandshakeError, OSError) as group:
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
