"""The proxy does what its faults say, seen through plain JSON-RPC."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from actors.sandbox.anvil import Anvil
from actors.sandbox.town import MULTICALL3, Town, arg, selector
from tests.proxy import Fault, Proxy, open_proxy
from tests.proxy_faults import (
    BodyCap,
    CutsPage,
    Disorder,
    HalfJson,
    HangUp,
    Hold,
    HtmlPage,
    IgnoresHash,
    IgnoresTag,
    Lag,
    LogCap,
    Mute,
    OtherChain,
    OtherId,
    OtherNode,
    Refuse,
    Removals,
    Repeat,
    ResponseCap,
    Split,
    SubCallCap,
    Throttle,
    Vanish,
    Withholds,
)
from tests.proxy_world import twin_of

SECS = 60
NUMBER = selector("getBlockNumber()")


@pytest.fixture
async def proxy(anvil: Anvil) -> AsyncIterator[Proxy]:
    async with open_proxy(anvil) as proxy:
        yield proxy


async def post(proxy: Proxy, body: Any) -> httpx.Response:
    async with httpx.AsyncClient(timeout=SECS) as client:
        return await client.post(proxy.http, json=body)


def item(method: str, *params: Any, number: int = 1) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


async def rpc(proxy: Proxy, method: str, *params: Any) -> Any:
    """The result, or the error's message."""
    answer = (await post(proxy, item(method, *params))).json()
    assert answer["id"] == 1
    return answer["result"] if "result" in answer else answer["error"]["message"]


def logs_of(town: Town, first: int, last: int) -> dict[str, Any]:
    return {"address": town.token, "fromBlock": hex(first), "toBlock": hex(last)}


async def number_at(proxy: Proxy, where: Any) -> Any:
    """The block that an eth_call is answered from."""
    answer = await rpc(proxy, "eth_call", {"to": MULTICALL3, "data": "0x" + NUMBER}, where)
    return int(answer, 16) if answer.startswith("0x") else answer


# --- Calls


async def test_without_a_fault_it_is_the_node(proxy: Proxy, anvil: Anvil, town: Town) -> None:
    assert await rpc(proxy, "eth_blockNumber") == hex(town.block())
    answers = (await post(proxy, [item("eth_chainId", number=7), item("eth_nonsense", number=8)])).json()
    assert [answer["id"] for answer in answers] == [7, 8]
    assert answers[0]["result"] == hex(31337)
    assert answers[1]["error"]["code"] == -32601
    assert proxy.asked == {"eth_blockNumber": 1, "eth_chainId": 1, "eth_nonsense": 1}
    assert proxy.requests() == 3


async def test_a_fault_strikes_its_methods_so_many_times_while_it_is_on(proxy: Proxy) -> None:
    with proxy.fault(Refuse(methods=("eth_chainId",), times=2)) as fault:
        assert (await rpc(proxy, "eth_blockNumber")).startswith("0x")
        assert [(await rpc(proxy, "eth_chainId")).startswith("0x") for _ in range(3)] == [False, False, True]
        assert fault.struck == 2
    with proxy.fault(Refuse()):
        assert "rate limited" in await rpc(proxy, "eth_chainId")
    assert await rpc(proxy, "eth_chainId") == hex(31337)


async def test_a_replica_that_lags_does_so_in_all_that_it_says(proxy: Proxy, anvil: Anvil, town: Town) -> None:
    town.transfer(town.wallets[0], town.wallets[1], 5)
    town.mine()
    head = town.block()
    newest = anvil.rpc("eth_getBlockByNumber", "latest", False)["hash"]
    logs = logs_of(town, head - 1, head)
    assert len(await rpc(proxy, "eth_getLogs", logs)) == 1
    with proxy.fault(Lag(2)) as fault:
        assert await rpc(proxy, "eth_blockNumber") == hex(head - 2)
        assert (await rpc(proxy, "eth_getBlockByNumber", "latest", False))["number"] == hex(head - 2)
        assert await rpc(proxy, "eth_getBlockByNumber", hex(head), False) is None
        assert await rpc(proxy, "eth_getBlockByHash", newest, False) is None
        assert await rpc(proxy, "eth_getLogs", logs) == []
        assert await rpc(proxy, "eth_getLogs", {"blockHash": newest}) == []
        assert await number_at(proxy, "latest") == head - 2
        assert await number_at(proxy, hex(head)) == "header not found"
        assert await number_at(proxy, {"blockHash": newest}) == "header not found"
        struck = fault.struck
        assert await number_at(proxy, hex(head - 2)) == head - 2
        assert fault.struck == struck == 9


async def test_a_call_goes_to_another_node_and_a_batch_to_both(anvil: Anvil, town: Town) -> None:
    with twin_of(anvil, town) as (other, twin):
        twin.mine()
        head = town.block()
        async with open_proxy(anvil, other) as proxy:
            with proxy.fault(OtherNode()):
                assert await rpc(proxy, "eth_blockNumber") == hex(head + 1)
            with proxy.fault(Split()) as fault:
                answers = (await post(proxy, [item("eth_blockNumber", number=at) for at in range(4)])).json()
            assert [answer["result"] for answer in answers] == [hex(head), hex(head + 1)] * 2
            assert fault.struck == 2


async def test_the_block_of_a_call_is_ignored(proxy: Proxy, anvil: Anvil, town: Town) -> None:
    older, head = town.block() - 1, town.block()
    by_hash = {"blockHash": anvil.rpc("eth_getBlockByNumber", hex(older), False)["hash"]}
    assert [await number_at(proxy, hex(older)), await number_at(proxy, by_hash)] == [older, older]
    with proxy.fault(IgnoresTag()):
        assert [await number_at(proxy, hex(older)), await number_at(proxy, by_hash)] == [head, head]
    with proxy.fault(IgnoresHash()) as fault:
        assert [await number_at(proxy, hex(older)), await number_at(proxy, by_hash)] == [older, head]
        assert await number_at(proxy, {"blockHash": "0x" + "ab" * 32}) == head
        assert fault.struck == 2


async def test_it_is_on_another_chain(proxy: Proxy) -> None:
    with proxy.fault(OtherChain(5)):
        assert await rpc(proxy, "eth_chainId") == "0x5"


# --- Answers that are none, and limits


@pytest.mark.parametrize(
    ("fault", "status", "start"),
    [
        (Throttle(), 429, b"Too Many"),
        (Throttle("7"), 429, b"Too Many"),
        (HtmlPage(), 200, b"<!DOCTYPE"),
        (HtmlPage(503), 503, b"<!DOCTYPE"),
        (HalfJson(), 200, b'{"jsonrpc"'),
        (OtherId(), 200, b'{"jsonrpc": "2.0", "id": 1001'),
        (BodyCap(10), 413, b""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Fault) else "",
)
async def test_an_answer_that_is_none(proxy: Proxy, fault: Fault, status: int, start: bytes) -> None:
    with proxy.fault(fault):
        answer = await post(proxy, item("eth_chainId"))
    assert (answer.status_code, answer.content[: len(start)]) == (status, start)
    assert answer.headers.get("retry-after") == getattr(fault, "retry_after", None)
    assert fault.struck == 1
    if isinstance(fault, HalfJson):
        with pytest.raises(ValueError):
            json.loads(answer.content)


async def test_it_hangs_up(proxy: Proxy) -> None:
    with proxy.fault(HangUp(times=1)), pytest.raises(httpx.HTTPError):
        await rpc(proxy, "eth_chainId")
    assert await rpc(proxy, "eth_chainId") == hex(31337)


async def test_a_call_is_held_until_it_is_let_go(proxy: Proxy) -> None:
    async with trio.open_nursery() as nursery:
        with proxy.fault(Hold(lambda call: call.method == "eth_chainId")) as hold:
            nursery.start_soon(rpc, proxy, "eth_chainId")
            await until(lambda: len(hold.held) == 1)
            assert (await rpc(proxy, "eth_blockNumber")).startswith("0x")
            hold.let_go()


async def test_large_questions_and_answers_are_refused(proxy: Proxy, town: Town) -> None:
    call = {"to": MULTICALL3, "data": "0x82ad56cb" + arg(32) + arg(31)}
    with proxy.fault(SubCallCap(30)):
        assert await rpc(proxy, "eth_call", call, "latest") == "out of gas"
        assert await number_at(proxy, "latest") == town.block()
    with proxy.fault(ResponseCap(100)):
        assert await rpc(proxy, "eth_getBlockByNumber", "latest", False) == "response too large"
        assert await rpc(proxy, "eth_chainId") == hex(31337)


# --- Logs


async def test_logs_are_capped_cut_and_withheld(proxy: Proxy, town: Town) -> None:
    first = town.block() + 1
    for wallet in town.wallets[1:6]:
        town.transfer(town.wallets[0], wallet, 5)
        town.mine()
    where = logs_of(town, first, town.block())
    whole = await rpc(proxy, "eth_getLogs", where)
    assert len(whole) == 5
    with proxy.fault(LogCap(3, message="try [{first}, {last}]")):
        assert await rpc(proxy, "eth_getLogs", where) == f"try [{hex(first)}, {hex(first + 2)}]"
        assert isinstance(await rpc(proxy, "eth_getLogs", logs_of(town, first, first + 2)), list)
    with proxy.fault(LogCap(4, "results", message="more than {most}")):
        assert await rpc(proxy, "eth_getLogs", where) == "more than 4"
    with proxy.fault(CutsPage(3)):
        assert await rpc(proxy, "eth_getLogs", where) == whole[:3]
    last = int(whole[-1]["blockNumber"], 16)
    with proxy.fault(Withholds(lambda block: block == last)) as fault:
        assert await rpc(proxy, "eth_getLogs", where) == [log for log in whole if int(log["blockNumber"], 16) != last]
        assert fault.struck == 1


# --- Sockets


async def until(state: Callable[[], bool]) -> None:
    with trio.fail_after(SECS):
        while not state():
            await trio.sleep(0.005)


async def ask(ws: WebSocketConnection, method: str, *params: Any) -> Any:
    await ws.send_message(json.dumps(item(method, *params)))
    with trio.fail_after(SECS):
        return json.loads(await ws.get_message())["result"]


async def heads(ws: WebSocketConnection, count: int) -> list[int]:
    """The numbers of so many pushed blocks."""
    found = []
    with trio.fail_after(SECS):
        for _ in range(count):
            note = json.loads(await ws.get_message())["params"]["result"]
            found.append(int(note.get("number") or note["blockNumber"], 16))
    return found


@pytest.mark.parametrize(
    ("fault", "seen"),
    [(None, [1, 2, 3, 4]), (Vanish(2), [1, 3]), (Repeat(), [1, 1, 1, 2, 2, 2]), (Disorder(2), [2, 1, 4, 3])],
    ids=["none", "vanish", "repeat", "disorder"],
)
async def test_notifications(proxy: Proxy, anvil: Anvil, fault: Fault | None, seen: list[int]) -> None:
    async with open_websocket_url(proxy.ws) as ws:
        await ask(ws, "eth_subscribe", "newHeads")
        if fault is not None:
            proxy.add(fault)
        for _ in range(4):
            anvil.rpc("evm_mine")
        assert await heads(ws, len(seen)) == seen
        assert fault is None or fault.struck
        assert len(proxy.sockets) == proxy.connections == 1


async def test_a_muted_socket_answers_pings_and_the_next_one_speaks(proxy: Proxy) -> None:
    async with open_websocket_url(proxy.ws) as old:
        assert await ask(old, "eth_chainId") == hex(31337)
        with proxy.fault(Mute()) as fault:
            await old.send_message(json.dumps(item("eth_chainId")))
            await until(lambda: fault.struck == 1)
            with trio.fail_after(SECS):
                await old.ping()
            async with open_websocket_url(proxy.ws) as new:
                assert await ask(new, "eth_chainId") == hex(31337)
        assert proxy.connections == 2
        assert await ask(old, "eth_chainId") == hex(31337)


async def test_a_socket_is_cut_in_the_middle_of_a_message(proxy: Proxy) -> None:
    async with open_websocket_url(proxy.ws) as ws:
        assert await ask(ws, "eth_chainId") == hex(31337)
        await proxy.cut()
        with pytest.raises(ConnectionClosed), trio.fail_after(SECS):
            await ws.get_message()
    await until(lambda: proxy.sockets == [])


async def test_logs_are_withheld_from_a_socket_and_taken_back_on_it(proxy: Proxy, town: Town) -> None:
    async with open_websocket_url(proxy.ws) as ws:
        await ask(ws, "eth_subscribe", "logs", {"address": town.token})
        town.transfer(town.wallets[0], town.wallets[1], 5)
        town.mine()
        hidden = town.block()
        with proxy.fault(Withholds(lambda block: block <= hidden, pushes=True)), proxy.fault(Removals()) as removals:
            town.transfer(town.wallets[0], town.wallets[1], 5)
            town.mine()
            with trio.fail_after(SECS):
                first = json.loads(await ws.get_message())["params"]["result"]
                await removals.take_back(0)
                again = json.loads(await ws.get_message())["params"]["result"]
        assert int(first["blockNumber"], 16) > hidden
        assert again == {**first, "removed": True}
        assert removals.struck == 1
