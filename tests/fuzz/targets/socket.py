"""Messages on a WebSocket: answers, pushes, and anything else. Whatever ends the session is one of a node's errors, alone and plain."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio_websocket import ConnectionClosed

from actors.errors import NodeError
from actors.evm.ws import MOST_NOTES, Session, Wire, open_session
from tests.fuzz.documents import BLOCK, log
from tests.fuzz.draw import Draw, encoded
from tests.fuzz.promise import is_plain, keep
from tests.fuzz.targets.jsonrpc import ERROR

PUSH = {"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": "0x9", "result": BLOCK}}
PUSHED_LOG = {**PUSH, "params": {"subscription": "0x9", "result": log(10, 1, b"\x01" * 20, b"\x02" * 20)}}
ANSWERS = ({"id": 1, "result": "0x1"}, {"id": 2, "result": "0x9"}, {"id": 2, "error": ERROR}, PUSH, PUSHED_LOG)


class Script:
    """A wire that brings what the bytes say, and then closes."""

    def __init__(self, draw: Draw) -> None:
        self._draw, self._first, self._left = draw, [encoded(ANSWERS[0]), encoded(ANSWERS[1])], 12

    async def send_message(self, message: str) -> None:
        await trio.lowlevel.checkpoint()

    async def ping(self) -> None:
        await trio.lowlevel.checkpoint()

    async def get_message(self) -> str | bytes:
        await trio.lowlevel.checkpoint()
        self._left -= 1
        draw = self._draw
        if self._first and draw.number(7) < 6:
            return self._first.pop(0)
        if self._left < 0 or draw.over:
            raise ConnectionClosed(None)
        message = draw.blob(60) if draw.number(5) == 1 else encoded(draw.changed(draw.pick(ANSWERS)))
        return message if draw.flag() else message.decode("utf-8", "replace")


def target(data: bytes) -> None:
    trio.run(_session, Draw(data))


async def _session(draw: Draw) -> None:
    @asynccontextmanager
    async def connect(url: str) -> AsyncIterator[Wire]:
        yield Script(draw)

    try:
        async with open_session("ws://node.example", connect) as session:
            await _use(session)
    except NodeError as error:
        is_plain(str(error))


async def _use(session: Session) -> None:
    await session.request("eth_chainId", [])
    found: Any = await session.subscribe("newHeads", None)
    keep(isinstance(found, str), "a subscription's id")
    with trio.move_on_after(5):
        for _ in range(MOST_NOTES):
            subscription, note = await session.next_note()
            keep(isinstance(subscription, str) and isinstance(note, dict), "a notification is an object under an id")


SEEDS = (b"\x00" * 20, b"\x00\x00\x00\x03\x00\x00" * 4, b"\x07\x00\x00\x01\x01\x00\x01\x00", b"\x00\x00\x00\x04\x01\x00\x00\x01")
