"""HTTP/1.1 over Trio and h11: the transport, which knows no paths.

A client can hurt itself alone: everything about it is bounded. A request must arrive whole within
`idle_secs`, each piece that is sent must be taken within `send_secs`, bodies and headers have a largest size.
Where there are as many connections as may be, a new one takes the place of the one that keeps us waiting longest,
so that no number of slow clients shuts a prompt one out. Streams have a cap of their own below it, so that open
dashboards leave room for health checks; answers take a share of the process's time, so that no number of prompt
clients takes it from the actors. Nothing is shielded: a cancel leaves at any await.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qs, urlsplit

import h11
import trio

from actors.http_bounds import Room, Share, Waited

log = logging.getLogger("trueup.server")
RECEIVE_BYTES = 16 * 1024
# What goes wrong on a client's side of the socket ends its connection and is nobody's concern.
CLIENT_FAULTS = (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, h11.ProtocolError)
Send = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True)
class Limits:
    """How much of this process a client may take."""

    idle_secs: float = 30.0
    send_secs: float = 10.0
    header_bytes: int = 16 * 1024
    body_bytes: int = 64 * 1024
    connections: int = 100
    streams: int = 32
    share: float = 0.1


@dataclass(frozen=True)
class Request:
    """One request; header names are lower-case, of a repeated header or query key the last one counts."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


@dataclass(frozen=True)
class Response:
    """`stream` sends for as long as it likes, in place of `body`; `after` is called when all is sent."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    stream: Callable[[Send], Awaitable[None]] | None = None
    after: Callable[[], object] | None = None


class Handler(Protocol):
    """Answers without waiting."""

    def __call__(self, request: Request, /) -> Response: ...


class Refused(Exception):
    """A request that gets this plain answer and the end of its connection."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class HttpServer:
    """Serves connections with one handler; `connections` and `streams` are how many there are now."""

    def __init__(self, handler: Handler, limits: Limits | None = None, clock: Callable[[], float] = time.thread_time) -> None:
        self._handler, self._clock = handler, clock
        self._limits = limits or Limits()
        self._room, self._share = Room(self._limits.connections), Share(self._limits.share)
        self.streams = 0

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._room)

    async def serve(self, stream: trio.abc.Stream) -> None:
        """One connection, from its first byte until it ends. Raises nothing that a client can cause."""
        place = self._room.enter()
        if place is None:
            await trio.aclose_forcefully(stream)
            return
        try:
            with place.scope:
                await self._exchanges(_Connection(stream, self._limits, place), place)
        except CLIENT_FAULTS:
            pass
        except Exception:
            log.exception("a connection failed")
        finally:
            self._room.leave(place)
            await trio.aclose_forcefully(stream)

    async def _exchanges(self, connection: _Connection, place: Waited) -> None:
        while True:
            try:
                request = await connection.receive()
            except Refused as refused:
                await self._share.wait(place)
                self._share.take(0)
                await connection.refuse(refused)
                return
            if request is None:
                self._share.take(0)
                return
            await self._share.wait(place)
            began = self._clock()
            response = self._answer(request)
            self._share.take(self._clock() - began)
            await self._send(connection, request, response)
            if response.after is not None:
                response.after()
            if not connection.next():
                return

    def _answer(self, request: Request) -> Response:
        """A bug in a route is an answer of 500: a request must not be able to spend the restart budget."""
        try:
            response = self._handler(request)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return Response(500, b"internal error\n")
        if response.stream is not None and self.streams >= self._limits.streams:
            return Response(503, b"too many streams\n")
        return response

    async def _send(self, connection: _Connection, request: Request, response: Response) -> None:
        await connection.send_head(response)
        if request.method != "HEAD" and response.stream is not None:
            self.streams += 1
            try:
                await response.stream(connection.send_data)
            finally:
                self.streams -= 1
        elif request.method != "HEAD":
            await connection.send_data(response.body)
        await connection.send_end()


class _Connection:
    """h11's state machine joined to a stream."""

    def __init__(self, stream: trio.abc.Stream, limits: Limits, place: Waited) -> None:
        self._stream, self._limits, self._place = stream, limits, place
        self._h11 = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.header_bytes)

    async def receive(self) -> Request | None:
        """The next request, its body read and dropped; None when the client has left or lets us wait."""
        with self._place.waiting(), trio.move_on_after(self._limits.idle_secs):
            try:
                return await self._receive()
            except h11.RemoteProtocolError as error:
                raise Refused(error.error_status_hint, str(error)) from None
        return None

    async def _receive(self) -> Request | None:
        head, size = None, 0
        while True:
            event = await self._event()
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > self._limits.body_bytes:
                    raise Refused(413, "the body is too large")
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _request(head)
            else:
                return None

    async def _event(self) -> object:
        while True:
            event = self._h11.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._h11.they_are_waiting_for_100_continue:
                await self._send(h11.InformationalResponse(status_code=100, headers=[]))
            self._h11.receive_data(bytes(await self._stream.receive_some(RECEIVE_BYTES)))

    async def send_head(self, response: Response) -> None:
        headers = {
            "content-type": response.content_type,
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        if response.stream is None:
            headers["content-length"] = str(len(response.body))
        headers.update(response.headers)
        status = response.status
        reason = HTTPStatus(status).phrase.encode()
        await self._send(h11.Response(status_code=status, reason=reason, headers=list(headers.items())))

    async def send_data(self, data: bytes) -> None:
        await self._send(h11.Data(data=data))

    async def send_end(self) -> None:
        await self._send(h11.EndOfMessage())

    async def refuse(self, refused: Refused) -> None:
        """Say why, where that is still possible, and be done."""
        if self._h11.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            response = Response(refused.status, f"{refused}\n".encode(), headers={"connection": "close"})
            await self.send_head(response)
            await self.send_data(response.body)
            await self.send_end()

    def next(self) -> bool:
        """Whether the connection is good for another request."""
        if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
            return False
        self._h11.start_next_cycle()
        return True

    async def _send(self, event: h11.Event) -> None:
        data = self._h11.send(event)
        if data:
            with self._place.waiting(), trio.fail_after(self._limits.send_secs):
                await self._stream.send_all(data)


def _request(head: h11.Request) -> Request:
    try:
        target = urlsplit(head.target.decode("ascii"))
    except ValueError:
        raise Refused(400, "the target is no URL") from None
    query = {name: values[-1] for name, values in parse_qs(target.query, keep_blank_values=True).items()}
    headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
    return Request(head.method.decode("ascii"), target.path, query, headers)
