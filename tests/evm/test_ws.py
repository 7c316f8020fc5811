"""A session with a real node's WebSocket: requests, notifications, and plain errors when it ends."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed

from actors.errors import Permanent, Transient
from actors.evm import ws
from actors.evm.ws import open_session
from actors.sandbox.anvil import Anvil


async def test_requests_are_answered_and_a_nodes_error_is_classified(anvil: Anvil) -> None:
    async with open_session(anvil.ws) as session:
        assert await session.request("eth_chainId", []) == hex(31337)
        with pytest.raises(Permanent):
            await session.request("eth_noSuchMethod", [])


async def test_heads_arrive_under_their_subscriptions_id(anvil: Anvil) -> None:
    async with open_session(anvil.ws) as session:
        subscription = await session.subscribe("newHeads", None)
        anvil.rpc("evm_mine")
        anvil.rpc("evm_mine")
        notes = [await session.next_note() for _ in range(2)]
    assert [of for of, _ in notes] == [subscription] * 2
    assert [int(head["number"], 16) for _, head in notes] == [1, 2]


async def test_what_finds_the_queue_full_is_dropped_and_counted_once(anvil: Anvil, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws, "MOST_NOTES", 2)
    async with open_session(anvil.ws) as session:
        await session.subscribe("newHeads", None)
        for _ in range(5):
            anvil.rpc("evm_mine")
        dropped = 0
        while dropped < 3:
            await session.request("eth_chainId", [])  # its answer comes behind what was pushed before
            dropped += session.take_dropped()
        assert [int((await session.next_note())[1]["number"], 16) for _ in range(2)] == [1, 2]
    assert (dropped, session.take_dropped()) == (3, 0)


class Pushed:
    """A wire on which whatever is pushed comes at once, each notification with its number."""

    def __init__(self) -> None:
        self._messages_in, self._messages = trio.open_memory_channel[str](100)

    async def push(self, numbers: range, size: int) -> None:
        """Notifications of so many bytes, which the session has heard when this returns."""
        for number in numbers:
            said = {"subscription": "0x1", "result": {"number": number, "text": "x" * size}}
            self._messages_in.send_nowait(json.dumps({"method": "eth_subscription", "params": said}))
        await trio.testing.wait_all_tasks_blocked()

    async def get_message(self) -> str:
        return await self._messages.receive()

    async def send_message(self, text: str) -> None: ...

    async def ping(self) -> None: ...

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[Pushed]:
        yield self


async def test_what_waits_is_bounded_in_bytes_too_and_what_is_taken_makes_room() -> None:
    wire, size = Pushed(), ws.MOST_WAITING // 10
    async with open_session("ws://node.example", wire.connect) as session:
        for first in (0, 50):
            await wire.push(range(first, first + 50), size)
            assert session.take_dropped() == 41
            assert [(await session.next_note())[1]["number"] for _ in range(9)] == list(range(first, first + 9))


async def test_a_notification_larger_than_all_that_may_wait_is_taken_where_nothing_waits() -> None:
    """It was in memory whole already, and a node whose heads hold everything has heads, too."""
    wire = Pushed()
    async with open_session("ws://node.example", wire.connect) as session:
        for number in (0, 1):
            await wire.push(range(number, number + 2), 2 * ws.MOST_WAITING)
            assert session.take_dropped() == 1
            assert (await session.next_note())[1]["number"] == number


async def test_each_connection_has_an_id_of_its_own(anvil: Anvil) -> None:
    async with open_session(anvil.ws) as one, open_session(anvil.ws) as two:
        assert one.connection_id != two.connection_id


async def test_a_node_that_dies_ends_the_session_with_a_plain_error() -> None:
    with Anvil() as anvil, pytest.raises(Transient):
        async with open_session(anvil.ws) as session:
            await session.subscribe("newHeads", None)
            anvil.send_signal(signal.SIGKILL)
            await session.next_note()


async def test_a_port_that_nobody_listens_on_is_a_plain_error() -> None:
    with pytest.raises(Transient):
        async with open_session("ws://127.0.0.1:1"):
            raise AssertionError("there is nobody")


@pytest.mark.parametrize(
    "message",
    ['{"id": [], "result": 1}', '{"id": {}, "result": 1}', '{"method": "eth_subscription", "params": {"subscription": [], "result": {}}}'],
    ids=["an id that is a list", "an id that is an object", "a subscription that is a list"],
)
async def test_a_message_like_none_leaves_the_session_or_ends_it_by_a_plain_error(message: str) -> None:
    class Hostile:
        sent = 0

        async def send_message(self, text: str) -> None:
            await trio.lowlevel.checkpoint()

        async def ping(self) -> None:
            await trio.lowlevel.checkpoint()

        async def get_message(self) -> str:
            await trio.lowlevel.checkpoint()
            self.sent += 1
            if self.sent > 1:
                raise ConnectionClosed(None)
            return message

    @asynccontextmanager
    async def connect(url: str) -> AsyncIterator[Hostile]:
        yield Hostile()

    with pytest.raises(Transient):
        async with open_session("ws://node.example", connect) as session:
            await session.request("eth_chainId", [])


@pytest.mark.parametrize("answer", [b"HTTP/1.1 101 S\r\nupgrade: websocket\r\n\xff: \xff\r\n\r\n", b"\x00" * 100, b"HTTP/1.1 200 OK\r\n\r\n"])
async def test_a_handshake_that_is_none_is_a_plain_error(answer: bytes, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ws, "CONNECT_SECS", 1.0)  # after an answer without an end it is waited for

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(answer)

    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, serve, [listener])
    with pytest.raises(Transient):
        async with open_session(f"ws://127.0.0.1:{listener.socket.getsockname()[1]}"):
            raise AssertionError("there is no session")


async def test_a_host_that_no_host_can_be_called_is_a_plain_error() -> None:
    with pytest.raises(Transient):
        async with open_session("ws://a..b"):
            raise AssertionError("there is nobody")
