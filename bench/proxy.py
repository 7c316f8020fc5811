"""A proxy between a client and a node that counts: bytes both ways, and calls by method. It keeps all requests, so the run must be short.

It is never in between while a time is taken.
"""

from __future__ import annotations

import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator

METHOD = re.compile(rb'"method":\s*"(\w+)"')
LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
CHUNK = 2**18


class Proxy:
    """`with Proxy(port) as proxy:` a client is given `proxy.http`."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=200)
        self._streams: list[bytearray] = []
        self.down = 0

    @property
    def http(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def up(self) -> int:
        """Bytes from the client, HTTP headers included."""
        return sum(map(len, self._streams))

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            node = socket.create_connection(("127.0.0.1", self._target))
            stream = bytearray()
            self._streams.append(stream)
            threading.Thread(target=self._carry, args=(client, node, stream), daemon=True).start()
            threading.Thread(target=self._carry, args=(node, client, None), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket, stream: bytearray | None) -> None:
        try:
            while part := source.recv(CHUNK):
                if stream is None:
                    self.down += len(part)
                else:
                    stream += part
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def bodies(self) -> Iterator[bytes]:
        """The requests' bodies, connection by connection."""
        for stream in self._streams:
            at = 0
            while (end := stream.find(b"\r\n\r\n", at)) >= 0:
                length = LENGTH.search(stream, at, end + 2)
                at = end + 4 + (int(length[1]) if length else 0)
                yield bytes(stream[end + 4 : at])

    def calls(self) -> Counter[str]:
        """How many calls of each method; each item of a batch counts."""
        return Counter(name.decode() for body in self.bodies() for name in METHOD.findall(body))

    def largest(self) -> bytes:
        """The longest body: the fullest `eth_call`."""
        return max(self.bodies(), key=len)
