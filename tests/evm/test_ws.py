"""A session with a real node's WebSocket: requests, notifications, and plain errors when it ends."""

from __future__ import annotations

import signal

import pytest

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
