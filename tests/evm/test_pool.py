"""The pool prefers the first healthy endpoint, leaves one that fails, and comes back to it; under virtual time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import trio
import trio.testing

from actors.errors import BadAnswer, ConfigError, NodeBehind, Permanent, Throttled, TooLarge, Transient, WrongChain
from actors.evm.endpoint import public_name
from actors.evm.pool import Pool

Node = Callable[[str, list[Any]], Any]


class FakeClient:
    """Nodes by URL: each answers a method with a result, raises, or returns the bytes to answer with."""

    def __init__(self, **nodes: Node) -> None:
        self.nodes = {f"https://{name}/key": node for name, node in nodes.items()}
        self.asked: list[str] = []

    async def post(self, url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        await trio.lowlevel.checkpoint()
        request = json.loads(body)
        items = request if isinstance(request, list) else [request]
        answers = []
        for item in items:
            self.asked.append(item["method"])
            found = self.nodes[url](item["method"], item["params"])
            if isinstance(found, bytes):
                return 200, {}, found
            kind = "error" if isinstance(found, dict) and "code" in found else "result"
            answers.append({"jsonrpc": "2.0", "id": item["id"], kind: found})
        return 200, {}, json.dumps(answers if isinstance(request, list) else answers[0]).encode()


def on_chain(number: int, other: Node = lambda method, params: "0x1") -> Node:
    return lambda method, params: hex(number) if method == "eth_chainId" else other(method, params)


def pool_of(client: FakeClient, chain_id: int = 1) -> Pool:
    pool = Pool(list(client.nodes), chain_id, client, trio.current_time)
    pool.name = "town"
    return pool


def test_a_name_holds_nothing_that_could_be_a_key() -> None:
    assert public_name("https://me:secret@node.example:8545/v2/KEY?key=KEY") == "https://node.example:8545"


async def test_the_first_healthy_endpoint_is_preferred_left_and_come_back_to(autojump_clock: trio.testing.MockClock) -> None:
    pool = pool_of(FakeClient(a=on_chain(1), b=on_chain(1)))
    first, second = pool.endpoints
    assert await pool.pick() is first
    pool.failed(first, Transient("gone"))
    assert await pool.pick() is second
    await trio.sleep(1)
    assert await pool.pick() is first


async def test_the_delay_doubles_while_it_keeps_failing_and_begins_anew_when_it_answered() -> None:
    pool = pool_of(FakeClient(a=on_chain(1)))
    (only,) = pool.endpoints
    delays = []
    for _ in range(8):
        pool.failed(only, Transient("gone"))
        delays.append(only.down_until - trio.current_time())
    assert all(0.7 * want <= delay <= want + 0.1 for want, delay in zip((1, 2, 4, 8, 16, 30, 30, 30), delays, strict=True))
    pool.ok(only)
    pool.failed(only, Transient("gone"))
    assert only.down_until - trio.current_time() <= 1


async def test_who_asks_waits_until_an_endpoint_is_up(autojump_clock: trio.testing.MockClock) -> None:
    pool = pool_of(FakeClient(a=on_chain(1)))
    (only,) = pool.endpoints
    pool.failed(only, Throttled("slowly", 5.0))
    began = trio.current_time()
    assert await pool.pick() is only
    assert trio.current_time() - began == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize("error", [TooLarge("too large"), Permanent("reverted")])
async def test_a_question_that_is_at_fault_is_not_held_against_the_endpoint(error: TooLarge | Permanent) -> None:
    pool = pool_of(FakeClient(a=on_chain(1)))
    pool.failed(pool.endpoints[0], error)
    assert pool.healthy() == 1


async def test_closings_ask_the_healthy_endpoints_in_turn() -> None:
    pool = pool_of(FakeClient(a=on_chain(1), b=on_chain(1), c=on_chain(1)))
    pool.failed(pool.endpoints[1], NodeBehind("late"))
    assert [(await pool.turn(after)).index for after in (-1, 0, 1, 2)] == [0, 2, 2, 0]
    assert [(await pool.stay(index)).index for index in (0, 1, 2)] == [0, 0, 2]


async def test_an_endpoint_on_another_chain_is_left_for_good() -> None:
    pool = pool_of(FakeClient(a=on_chain(2), b=on_chain(1)))
    with pytest.raises(WrongChain):
        await pool.endpoints[0].call("eth_blockNumber", [])
    assert (await pool.pick()).index == 1


async def test_all_on_another_chain_is_the_operators_error() -> None:
    with pytest.raises(ConfigError, match="chain town: chain_id"):
        await pool_of(FakeClient(a=on_chain(2), b=on_chain(3))).check_chain()
    await pool_of(FakeClient(a=on_chain(2), b=on_chain(1))).check_chain()


@pytest.mark.parametrize("body", [b"<html>busy</html>", b'{"jsonrpc": "2.0", "id"', b'{"id": 999, "result": "0x1"}', b"[]", b'{"id": 2}'])
async def test_an_answer_that_is_none_is_a_bad_answer(body: bytes) -> None:
    pool = pool_of(FakeClient(a=on_chain(1, lambda method, params: body)))
    with pytest.raises(BadAnswer):
        await pool.endpoints[0].call("eth_call", [])


async def test_a_failing_item_of_a_batch_fails_alone() -> None:
    node = on_chain(1, lambda method, params: params[0] if params[0] else {"code": 3, "message": "execution reverted"})
    first, second, third = await pool_of(FakeClient(a=node)).endpoints[0].batch([("m", [1]), ("m", [0]), ("m", [3])])
    assert (first, third) == (1, 3)
    assert isinstance(second, Permanent)


async def test_a_node_that_takes_no_batches_is_asked_one_by_one() -> None:
    client = FakeClient(a=on_chain(1))
    original = client.post

    async def refuse_batches(url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        if body.startswith(b"["):
            return 200, {}, b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"batches are not supported"}}'
        return await original(url, body)

    client.post = refuse_batches  # type: ignore[method-assign]  # another node
    assert await pool_of(client).endpoints[0].batch([("m", [1]), ("m", [2])]) == ["0x1", "0x1"]


@pytest.mark.parametrize(("asked", "least", "most"), [(0.0, 0.7, 1.0), (7.0, 7.0, 7.0), (1e9, 300.0, 300.0)])
async def test_a_pause_that_is_asked_for_is_kept_within_reason(
    asked: float, least: float, most: float, mock_clock: trio.testing.MockClock
) -> None:
    pool = pool_of(FakeClient(**{"http://a": on_chain(1)}))
    pool.failed(pool.endpoints[0], Throttled("slow down", asked))
    assert least <= pool.endpoints[0].down_until <= most


class Counting:
    """A meter that notes what it is told."""

    def __init__(self) -> None:
        self.paid: list[list[str]] = []
        self.refusals: list[float | None] = []

    async def pay(self, methods: Sequence[str]) -> None:
        self.paid.append(list(methods))

    def refused(self, retry_after_secs: float | None) -> None:
        self.refusals.append(retry_after_secs)


async def test_every_request_is_paid_for_before_it_is_sent_and_a_batch_as_one() -> None:
    pool, meter = pool_of(FakeClient(a=on_chain(1))), Counting()
    pool.metered_by(meter)
    (endpoint,) = pool.endpoints
    await endpoint.call("eth_call", [])
    await endpoint.batch([("eth_call", []), ("eth_getLogs", [])])
    assert meter.paid == [["eth_chainId"], ["eth_call"], ["eth_call", "eth_getLogs"]]
    assert meter.refusals == []


async def test_who_may_not_pay_sends_nothing() -> None:
    client, meter = FakeClient(a=on_chain(1)), Counting()
    pool = pool_of(client)

    async def never(methods: Sequence[str]) -> None:
        await trio.sleep_forever()

    meter.pay = never  # type: ignore[method-assign]  # a meter without units
    pool.metered_by(meter)
    with trio.move_on_after(0.01):
        await pool.endpoints[0].call("eth_call", [])
    assert client.asked == []


async def test_a_refusal_teaches_the_meter_by_status_by_error_and_inside_a_batch() -> None:
    refusal = {"code": -32005, "message": "rate limit exceeded"}
    client, meter = FakeClient(a=on_chain(1, lambda method, params: refusal if method == "eth_call" else "0x1")), Counting()
    pool = pool_of(client)
    pool.metered_by(meter)
    (endpoint,) = pool.endpoints
    with pytest.raises(Throttled):
        await endpoint.call("eth_call", [])
    assert meter.refusals == [None]
    found = await endpoint.batch([("eth_getLogs", []), ("eth_call", []), ("eth_call", [])])
    assert [isinstance(each, Throttled) for each in found] == [False, True, True]
    assert meter.refusals == [None, None]

    async def busy(url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        return 429, {"retry-after": "7"}, b"slow down"

    client.post = busy  # type: ignore[method-assign]  # another node
    with pytest.raises(Throttled):
        await endpoint.call("eth_getLogs", [])
    assert meter.refusals == [None, None, 7.0]


@pytest.mark.parametrize(
    "said", ["Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2024 00:00:00 +99999999999999999999", "nan", "-1", "soon", ""]
)
async def test_a_retry_after_that_is_no_time_is_no_reason_to_end(said: str) -> None:
    class Refusing(FakeClient):
        async def post(self, url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
            await trio.lowlevel.checkpoint()
            return 429, {"retry-after": said}, b'{"error": {"code": "429", "message": {"a": []}}}'

    pool = pool_of(Refusing(a=on_chain(1)))
    with pytest.raises(Throttled) as caught:
        await pool.endpoints[0].call("eth_call", [])
    assert caught.value.retry_after_secs in (None, 0.0)


async def test_a_header_of_another_hash_than_was_asked_for_is_a_bad_answer() -> None:
    block = {"number": "0xa", "hash": "0x" + "12" * 32, "parentHash": "0x" + "11" * 32, "timestamp": "0x1"}
    endpoint = pool_of(FakeClient(a=on_chain(1, lambda method, params: block))).endpoints[0]
    header = await endpoint.header("0x" + "12" * 32)
    assert header is not None
    assert header.number == 10
    with pytest.raises(BadAnswer, match="another block 10"):
        await endpoint.header("0x" + "13" * 32)
