"""Many slow clients of a service at once, in a thread and a loop of their own: some say nothing, some say their request byte by byte, some send
a body that never ends, and some do not read what they asked for. Who is dropped comes again.
"""

from __future__ import annotations

import itertools
import resource
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import trio

AGAIN_SECS = 2.0
TRICKLE = b"GET /api/status HTTP/1.1\r\nhost: localhost\r\nx-slow: " + b"a" * 10_000
BODY = b"POST /healthz HTTP/1.1\r\nhost: localhost\r\ncontent-length: 60000\r\n\r\n"
FILE = b"GET /dashboard/app.js HTTP/1.1\r\nhost: localhost\r\n\r\n"
EVENTS = b"GET /api/events HTTP/1.1\r\nhost: localhost\r\n\r\n"


def more_files(count: int) -> None:
    """Let this process, and what it starts, open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(count, hard), hard))


class Crowd:
    """`met`: how many have been connected so far; `connected`: how many are now; `connections`: how often one was opened."""

    def __init__(self, port: int, count: int) -> None:
        self._port, self._count = port, count
        self.connected = self.connections = self.met = 0

    async def run(self, token: list[trio.lowlevel.TrioToken], scope: trio.CancelScope) -> None:
        """Until the scope is cancelled."""
        token.append(trio.lowlevel.current_trio_token())
        kinds = itertools.cycle([self._silent, self._trickling, self._with_a_body, self._deaf, self._deaf_to_events])
        with scope:
            async with trio.open_nursery() as nursery:
                for kind, _ in zip(kinds, range(self._count), strict=False):
                    nursery.start_soon(self._again_and_again, kind)

    async def _again_and_again(self, kind: object) -> None:
        new = True
        while True:
            with trio.socket.socket() as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                try:
                    await sock.connect(("127.0.0.1", self._port))
                    self.connections += 1
                    self.connected += 1
                    self.met, new = self.met + new, False
                    try:
                        await kind(sock)  # type: ignore[operator]
                    finally:
                        self.connected -= 1
                except OSError:
                    pass
            await trio.sleep(AGAIN_SECS)

    async def _until_dropped(self, sock: trio.socket.SocketType) -> None:
        await sock.recv(1)

    async def _silent(self, sock: trio.socket.SocketType) -> None:
        await self._until_dropped(sock)

    async def _trickling(self, sock: trio.socket.SocketType) -> None:
        for byte in TRICKLE:
            await sock.send(bytes([byte]))
            await trio.sleep(0.5)

    async def _with_a_body(self, sock: trio.socket.SocketType) -> None:
        await sock.send(BODY)
        while True:
            await sock.send(b"a")
            await trio.sleep(0.5)

    async def _deaf(self, sock: trio.socket.SocketType) -> None:
        await self._deaf_to(sock, FILE)

    async def _deaf_to_events(self, sock: trio.socket.SocketType) -> None:
        await self._deaf_to(sock, EVENTS)

    async def _deaf_to(self, sock: trio.socket.SocketType, request: bytes) -> None:
        """Nothing is read; that it was dropped shows when more is sent."""
        await sock.send(request)
        while True:
            await trio.sleep(1)
            await sock.send(b"G")


@contextmanager
def crowding(port: int, count: int) -> Iterator[Crowd]:
    """The crowd is there until the block ends."""
    crowd, token, scope = Crowd(port, count), list[trio.lowlevel.TrioToken](), trio.CancelScope()
    thread = threading.Thread(target=trio.run, args=(crowd.run, token, scope))
    thread.start()
    try:
        yield crowd
    finally:
        if token:
            token[0].run_sync_soon(scope.cancel)
        thread.join()
