"""A WebSocket as bytes: a hostile handshake, and frames that are fragmented, masked, huge or none at all, through the real client."""

from __future__ import annotations

import base64
import hashlib
from contextlib import suppress
from unittest.mock import patch

import trio
import trio.testing

from actors.errors import NodeError
from actors.evm.ws import open_session
from tests.fuzz.draw import Draw, encoded
from tests.fuzz.promise import is_plain
from tests.fuzz.targets.socket import ANSWERS

MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HEADERS = (
    b"Sec-WebSocket-Extensions: permessage-deflate\r\n", b"Sec-WebSocket-Protocol: x\r\n", b"Sec-WebSocket-Accept: x\r\n", b"Upgrade: h2c\r\n",
    b"Connection: close\r\n", b"Content-Length: -1\r\n", b"X: " + b"y" * 70_000 + b"\r\n", b"\xff: \xff\r\n", b"Transfer-Encoding: chunked\r\n",
)  # fmt: skip
LINES = (b"HTTP/1.1 101 Switching Protocols\r\n", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 301 Moved\r\n", b"HTTP/9 \xff\r\n", b"HTTP/1.1 100 C\r\n\r\n", b"HTTP/1.1 401 No\r\n")
OPCODES = (1, 0, 2, 8, 9, 10, 3, 15)


def target(data: bytes) -> None:
    trio.run(_session, Draw(data), clock=trio.testing.MockClock(autojump_threshold=0))


async def _session(draw: Draw) -> None:
    ours, theirs = trio.testing.memory_stream_pair()

    async def open_tcp_stream(host: str, port: int) -> trio.abc.Stream:
        return ours

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_serve, theirs, draw)
        with patch.object(trio, "open_tcp_stream", open_tcp_stream):
            try:
                async with open_session("ws://node.example/x") as session:
                    await session.request("eth_chainId", [])
                    await session.subscribe("newHeads", None)
                    while True:
                        await session.next_note()
            except NodeError as error:
                is_plain(str(error))
        nursery.cancel_scope.cancel()


async def _serve(stream: trio.abc.Stream, draw: Draw) -> None:
    with suppress(trio.BrokenResourceError):  # the client has left
        await _talk(stream, draw)


async def _talk(stream: trio.abc.Stream, draw: Draw) -> None:
    asked = b""
    while b"\r\n\r\n" not in asked:
        asked += bytes(await stream.receive_some(4096)) or b"\r\n\r\n"
    await stream.send_all(_handshake(draw, asked))
    for _ in range(10):
        if draw.over:
            break
        await stream.send_all(draw.blob(30) if draw.number(7) == 1 else _frame(draw))
        await trio.lowlevel.checkpoint()
    await stream.aclose()


def _handshake(draw: Draw, asked: bytes) -> bytes:
    key = next((line.split(b":")[1].strip() for line in asked.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")), b"")
    accept = base64.b64encode(hashlib.sha1(key + MAGIC).digest())
    if not draw.number(3):
        return LINES[0] + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    lines = draw.pick(LINES) + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n"
    return lines + draw.pick((b"", *HEADERS)) + draw.pick((b"\r\n", b"\n", b""))


def _frame(draw: Draw) -> bytes:
    payload = draw.blob(40) if draw.flag() else encoded(draw.changed(draw.pick(ANSWERS)))
    head = (0x80 if draw.number(3) else 0) | (draw.pick((0, 0, 0, 0x40, 0x10)) if draw.flag() else 0) | draw.pick(OPCODES)
    size = len(payload) if draw.number(7) else draw.pick((0, 125, 126, 65536, 2**33, 2**63))
    masked = 0x80 if draw.number(15) == 1 else 0
    if size < 126:
        return bytes([head, masked | size]) + payload
    return bytes([head, masked | (126 if size < 65536 else 127)]) + size.to_bytes(2 if size < 65536 else 8, "big") + payload


SEEDS = (b"\x00" * 12, b"\x00\x00\x00\x00\x01\x00\x00\x01" * 4, b"\x01\x02\x01\x00", b"\x00\x00\x01\x04\x03\xe8ab\x01\x00\x03\x01", b"\x01\x00\x08\x00\x00\x00")
