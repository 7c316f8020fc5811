"""A double of a pooler in transaction mode: each transaction runs on whichever of a few server sessions is free longest.

It speaks just enough of Postgres's protocol. What belongs to a session (SET, prepared statements, advisory locks) so comes
apart as it does behind a real one, which also refuses the start-up parameter `options`. A client that leaves in the middle
of a transaction takes its server session with it.
"""

from __future__ import annotations

import itertools
import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

import trio

PROTOCOL, CANCEL, SSL, GSS = 196608, 80877102, 80877103, 80877104
LONGEST = 64 * 1024 * 1024
AUTHENTICATED = b"R" + struct.pack("!II", 8, 0)
READY = b"Z" + struct.pack("!I", 5) + b"I"
# What asks for an answer that ends with ReadyForQuery: Query, Sync, FunctionCall.
ENDS = (b"Q", b"S", b"F")


class Wire:
    """One connection, read message by message."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream, self._buffer = stream, bytearray()

    async def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            chunk = await self._stream.receive_some()
            if not chunk:
                raise trio.BrokenResourceError("hung up")
            self._buffer += chunk
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    async def startup(self) -> bytes:
        """A message without a type, as only the first ones are; its body."""
        return await self._exactly(_body_length(await self._exactly(4)))

    async def message(self) -> tuple[bytes, bytes]:
        """Type and body."""
        kind = await self._exactly(1)
        return kind, await self._exactly(_body_length(await self._exactly(4)))

    async def send(self, data: bytes) -> None:
        await self._stream.send_all(data)

    def is_quiet(self) -> bool:
        """Whether nothing has come, not even the end."""
        return not self._buffer and not self._stream.socket.is_readable()

    def close(self) -> None:
        self._stream.socket.close()


def _body_length(head: bytes) -> int:
    length = int(struct.unpack("!I", head)[0]) - 4
    if not 0 <= length <= LONGEST:
        raise trio.BrokenResourceError("this is not Postgres's protocol")
    return length


def packed(kind: bytes, body: bytes) -> bytes:
    """A message as it travels."""
    return kind + struct.pack("!I", len(body) + 4) + body


def refusal(code: str, text: str) -> bytes:
    """An ErrorResponse."""
    fields = {"S": "FATAL", "V": "FATAL", "C": code, "M": text}
    return packed(b"E", b"".join(f"{name}{value}".encode() + b"\0" for name, value in fields.items()) + b"\0")


def parameters(body: bytes) -> dict[str, str]:
    """The parameters of a start-up message."""
    words = [word.decode() for word in body[4:].split(b"\0")]
    return {name: value for name, value in zip(words[::2], words[1::2], strict=False) if name}


@dataclass
class Session:
    """One session with the server. `key`: what cancels it; `said`: the parameters that it told of itself."""

    wire: Wire
    key: bytes = b""
    said: bytes = b""


@dataclass
class Client:
    """One client, and the session that it has for its transaction."""

    wire: Wire
    session: Session | None = None
    inside: bool = False


@dataclass
class Pooler:
    """See the module. `transactions` counts what it has served, `refused` holds what it has not."""

    server: str
    port: int
    free: deque[Session] = field(default_factory=deque)
    transactions: int = 0
    refused: list[str] = field(default_factory=list)
    _clients: dict[bytes, Client] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _permits: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(1))

    @property
    def url(self) -> str:
        """The server's URL, through here."""
        parts = urlsplit(self.server)
        return urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{self.port}"))

    async def serve(self, stream: trio.SocketStream) -> None:
        """One client, to its end or the pooler's."""
        client, key = Client(Wire(stream)), b""
        try:
            if await self._may_enter(client):
                key = await self._welcome(client)
                while await self._transaction(client):
                    pass
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError):
            pass
        finally:
            self._clients.pop(key, None)
            client.wire.close()

    async def _may_enter(self, client: Client) -> bool:
        """Go through a client's first messages. False: it only came to cancel, or is refused."""
        while True:
            body = await client.wire.startup()
            code = struct.unpack("!I", body[:4])[0]
            if code in (SSL, GSS):
                await client.wire.send(b"N")
            elif code == CANCEL:
                await self._cancel(body[4:])
                return False
            elif "options" in parameters(body):
                self.refused.append("options")
                await client.wire.send(refusal("08P01", "unsupported startup parameter: options"))
                return False
            else:
                return True

    async def _welcome(self, client: Client) -> bytes:
        """Let a client in; the key by which it may cancel."""
        async with self._permits:
            session = await self._take()
            self.free.append(session)
        key = struct.pack("!II", next(self._numbers), 7)
        self._clients[key] = client
        await client.wire.send(AUTHENTICATED + session.said + packed(b"K", key) + READY)
        return key

    async def _take(self) -> Session:
        """The session that is free longest, or a new one in place of one that the server has closed."""
        while self.free:
            session = self.free.popleft()
            if session.wire.is_quiet():
                return session
            session.wire.close()
        return await self._connect()

    async def _reach(self) -> trio.SocketStream:
        parts = urlsplit(self.server)
        return await trio.open_tcp_stream(parts.hostname or "", parts.port or 5432)

    async def _connect(self) -> Session:
        session, parts = Session(Wire(await self._reach())), urlsplit(self.server)
        words = ["user", parts.username, "database", parts.path[1:], "application_name", "pooled", "client_encoding", "UTF8"]
        body = struct.pack("!I", PROTOCOL) + "".join(f"{word}\0" for word in words).encode() + b"\0"
        await session.wire.send(struct.pack("!I", len(body) + 4) + body)
        while (message := await session.wire.message())[0] != b"Z":
            kind, body = message
            if kind == b"E":
                raise trio.BrokenResourceError("the server refuses")
            session.key = body if kind == b"K" else session.key
            session.said += packed(kind, body) if kind == b"S" else b""
        return session

    async def _transaction(self, client: Client) -> bool:
        """Serve one transaction, on one session. False: the client has left between two of them."""
        kind, body = await client.wire.message()
        if kind == b"X":
            return False
        async with self._permits:
            try:
                client.session = await self._take()
                await self._relay(client, client.session, kind, body)
            finally:
                session, client.session = client.session, None
                self._give_back(session, client)
        self.transactions += 1
        return True

    async def _relay(self, client: Client, session: Session, kind: bytes, body: bytes) -> None:
        client.inside = True
        while True:
            await session.wire.send(packed(kind, body))
            if kind in ENDS and await self._answer(client, session) == b"I":
                client.inside = False
                return
            kind, body = await client.wire.message()
            if kind == b"X":
                raise trio.BrokenResourceError("left in the middle of a transaction")

    async def _answer(self, client: Client, session: Session) -> bytes:
        """Pass the server's answer on; the state of the transaction after it."""
        while True:
            kind, body = await session.wire.message()
            await client.wire.send(packed(kind, body))
            if kind == b"Z":
                return body

    def _give_back(self, session: Session | None, client: Client) -> None:
        if session is None:
            return
        if client.inside:
            session.wire.close()
        else:
            self.free.append(session)

    async def _cancel(self, key: bytes) -> None:
        """Pass a cancel on to the session that the client has at the moment."""
        client = self._clients.get(key)
        if client is None or client.session is None:
            return
        async with await self._reach() as stream:
            if client.session is None:
                return  # its transaction has ended meanwhile
            body = struct.pack("!I", CANCEL) + client.session.key
            await stream.send_all(struct.pack("!I", len(body) + 4) + body)
            with suppress(trio.BrokenResourceError):
                await stream.receive_some()  # the server hangs up when it is done

    def close(self) -> None:
        """Leave the server."""
        for session in self.free:
            session.wire.close()


@asynccontextmanager
async def pooling(server: str, sessions: int = 3) -> AsyncIterator[Pooler]:
    """A pooler in front of the server at that URL, `postgresql://user@host:port/name`."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    pooler = Pooler(server, listener.socket.getsockname()[1])
    pooler._permits = trio.CapacityLimiter(sessions)
    try:
        async with trio.open_nursery() as nursery:
            pooler.free.extend([await pooler._connect() for _ in range(sessions)])
            await nursery.start(trio.serve_listeners, pooler.serve, [listener])
            yield pooler
            nursery.cancel_scope.cancel()
    finally:
        pooler.close()
