"""A node or a Postgres behind TLS: whatever a client says after its handshake is passed on to a real one, and kept.

The Postgres that travels with the tests is built without TLS; its clients verify whoever ends it in front of it all the same.
"""

from __future__ import annotations

import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import trio
import trustme

SSL_REQUEST, GSS_REQUEST = (struct.pack("!II", 8, 80877100 + number) for number in (3, 4))


@dataclass
class Front:
    """`behind` is the port of the real one. `heard`: all that clients said. `http` and `ws` are its URLs as a node's."""

    port: int
    behind: int
    context: ssl.SSLContext
    heard: bytearray = field(default_factory=bytearray)
    refused: int = 0

    @property
    def http(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        return f"wss://127.0.0.1:{self.port}"

    async def serve(self, plain: trio.SocketStream) -> None:
        """One connection."""
        client = trio.SSLStream(plain, self.context, server_side=True, https_compatible=True)
        try:
            await self._agree(plain)
            await client.do_handshake()
        except trio.BrokenResourceError:
            self.refused += 1
            await trio.aclose_forcefully(client)
            return
        node = await trio.open_tcp_stream("127.0.0.1", self.behind)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._pass, client, node, self.heard, nursery.cancel_scope)
            nursery.start_soon(self._pass, node, client, bytearray(), nursery.cancel_scope)
        await trio.aclose_forcefully(client)
        await trio.aclose_forcefully(node)

    async def _agree(self, plain: trio.SocketStream) -> None:
        """A node's client begins with the handshake."""

    @staticmethod
    async def _pass(source: trio.abc.Stream, target: trio.abc.Stream, kept: bytearray, ends: trio.CancelScope) -> None:
        try:
            while part := await source.receive_some():
                kept += part
                await target.send_all(part)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        ends.cancel()


class PostgresFront(Front):
    """Postgres's client asks for it first."""

    async def _agree(self, plain: trio.SocketStream) -> None:
        asked = b""
        while asked != SSL_REQUEST:
            asked = b""
            while len(asked) < len(SSL_REQUEST):
                if not (part := await plain.receive_some(len(SSL_REQUEST) - len(asked))):
                    raise trio.BrokenResourceError
                asked += part
            if asked not in (SSL_REQUEST, GSS_REQUEST):
                self.heard += asked
                raise trio.BrokenResourceError
            await plain.send_all(b"S" if asked == SSL_REQUEST else b"N")


@asynccontextmanager
async def behind_tls(url: str, certificate: trustme.LeafCert, kind: type[Front] = Front) -> AsyncIterator[Front]:
    """What is at a URL, behind a certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    front = kind(listener.socket.getsockname()[1], urlsplit(url).port or 0, context)
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, front.serve, [listener])
        yield front
        nursery.cancel_scope.cancel()
