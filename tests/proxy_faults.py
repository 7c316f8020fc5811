"""The ways in which the proxy misbehaves, each as real nodes and providers do."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import trio

from actors.evm.aggregate3 import WORD
from tests.proxy import Answer, Ask, Call, Fault, Post, Proxy, Response, Say, Socket

BY_TAG = {"eth_call": 1, "eth_getBalance": 1, "eth_getCode": 1}


def refusal(code: int, message: str) -> Answer:
    """An error."""
    return {"error": {"code": code, "message": message}}


def number(found: Any) -> int:
    """A number or a block's."""
    return int(found["number"] if isinstance(found, dict) else found, 16)


# --- Which node, which block


@dataclass(eq=False)
class Lag(Fault):
    """A replica that is some blocks behind, in all that it says."""

    blocks: int = 1

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        head = number((await ask(Call("eth_blockNumber", (), call.node)))["result"]) - self.blocks
        answer = await self._behind(call, ask, head)
        if answer is None:
            return await ask(call)
        self.strike()
        return answer

    async def _behind(self, call: Call, ask: Ask, head: int) -> Answer | None:
        """The answer of a node with that head, None where it is what everybody says."""
        if call.method == "eth_blockNumber":
            return {"result": hex(head)}
        if call.method == "eth_getBlockByNumber":
            if call.params[0] == "latest":
                return await ask(replace(call, params=[hex(head), *call.params[1:]]))
            return {"result": None} if number(call.params[0]) > head else None
        if call.method == "eth_getBlockByHash":
            found = (await ask(call)).get("result")
            return {"result": None} if found and number(found) > head else None
        if call.method == "eth_getLogs":
            return await self._logs(call, ask, head)
        return await self._state(call, ask, head) if call.method in BY_TAG else None

    async def _logs(self, call: Call, ask: Ask, head: int) -> Answer | None:
        where = call.params[0]
        if "blockHash" in where:
            return {"result": []} if await _number_of(where["blockHash"], ask) > head else None
        if number(where["fromBlock"]) > head:
            return {"result": []}
        if number(where["toBlock"]) > head:
            return await ask(replace(call, params=[{**where, "toBlock": hex(head)}]))
        return None

    async def _state(self, call: Call, ask: Ask, head: int) -> Answer | None:
        at = BY_TAG[call.method]
        where = call.params[at]
        if where == "latest":
            return await ask(replace(call, params=[*call.params[:at], hex(head), *call.params[at + 1 :]]))
        block = await _number_of(where["blockHash"], ask) if isinstance(where, dict) else number(where)
        return refusal(-32000, "header not found") if block > head else None


async def _number_of(block_hash: str, ask: Ask) -> int:
    found = (await ask(Call("eth_getBlockByHash", (block_hash, False)))).get("result")
    return number(found) if found else -1


@dataclass(eq=False)
class OtherNode(Fault):
    """Everything is asked of another node: on a branch of its own, or on another chain."""

    node: int = 1

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        self.strike()
        return await ask(replace(call, node=self.node))


@dataclass(eq=False)
class Split(Fault):
    """A load balancer without affinity: each call of a batch goes to the next node in turn."""

    nodes: int = 2
    _turn: Any = field(default_factory=itertools.count, init=False)

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        node = next(self._turn) % self.nodes
        if node:
            self.strike()
        return await ask(replace(call, node=node))


@dataclass(eq=False)
class IgnoresTag(Fault):
    """Whatever block an eth_call names, by number or by hash, its answer is from the latest."""

    wanted: Callable[[Call], bool] = lambda call: True

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        if call.method != "eth_call" or call.params[1] == "latest" or not self.wanted(call):
            return await ask(call)
        self.strike()
        return await ask(replace(call, params=[call.params[0], "latest", *call.params[2:]]))


@dataclass(eq=False)
class IgnoresHash(IgnoresTag):
    """A block's number is honoured; its hash is taken, and ignored."""

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        by_hash = call.method == "eth_call" and isinstance(call.params[1], dict)
        return await super().on_call(call, ask) if by_hash else await ask(call)


@dataclass(eq=False)
class OtherChain(Fault):
    """Says that it is on another chain."""

    chain_id: int = 1

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        if call.method != "eth_chainId":
            return await ask(call)
        self.strike()
        return {"result": hex(self.chain_id)}


# --- Answers that are none


@dataclass(eq=False)
class Throttle(Fault):
    """429, with `Retry-After` or without."""

    retry_after: str | None = None

    async def on_request(self, body: bytes, post: Post) -> Response:
        self.strike()
        headers = () if self.retry_after is None else (("retry-after", self.retry_after),)
        return Response(b"Too Many Requests", 429, headers)


@dataclass(eq=False)
class Refuse(Fault):
    """A JSON-RPC error in a 200: -32005 unless told."""

    code: int = -32005
    message: str = "daily request count exceeded, request rate limited"

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        self.strike()
        return refusal(self.code, self.message)


@dataclass(eq=False)
class HtmlPage(Fault):
    """A page for people, with status 200."""

    status: int = 200

    async def on_request(self, body: bytes, post: Post) -> Response:
        self.strike()
        return Response(b"<!DOCTYPE html><html><body>We'll be back soon.</body></html>", self.status)


@dataclass(eq=False)
class HalfJson(Fault):
    """JSON cut in half."""

    async def on_request(self, body: bytes, post: Post) -> Response:
        whole = await post(body)
        self.strike()
        return replace(whole, body=whole.body[: len(whole.body) // 2])


@dataclass(eq=False)
class OtherId(Fault):
    """The answer to somebody else's question."""

    async def on_request(self, body: bytes, post: Post) -> Response:
        answer = json.loads((await post(body)).body)
        self.strike()
        for item in answer if isinstance(answer, list) else [answer]:
            item["id"] += 1000
        return Response(json.dumps(answer).encode())


@dataclass(eq=False)
class HangUp(Fault):
    """The connection ends without an answer."""

    async def on_request(self, body: bytes, post: Post) -> Response:
        self.strike()
        raise trio.BrokenResourceError("hangs up")


@dataclass(eq=False)
class Tally(Fault):
    """No fault: counts the calls of a kind."""

    wanted: Callable[[Call], bool] = lambda call: True

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        if self.wanted(call):
            self.strike()
        return await ask(call)


@dataclass(eq=False)
class Hold(Fault):
    """Calls wait until they are let go; `held` are those that wait, oldest first."""

    wanted: Callable[[Call], bool] = lambda call: True
    held: list[Call] = field(default_factory=list, init=False)
    _gates: list[trio.Event] = field(default_factory=list, init=False)

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        if self.wanted(call):
            self.strike()
            self.held.append(call)
            self._gates.append(gate := trio.Event())
            await gate.wait()
        return await ask(call)

    def let_go(self) -> None:
        """Let the oldest one go on."""
        self.held.pop(0)
        self._gates.pop(0).set()

    def end(self, proxy: Proxy) -> None:
        while self.held:
            self.let_go()


# --- Limits


def sub_calls(call: Call) -> int:
    """How many calls an aggregate3 holds, or a packed read makes; 0 where it is neither."""
    if call.method != "eth_call" or "to" not in call.params[0]:
        return 0
    data = call.params[0]["data"]
    if len(call.params) > 2:
        (account,) = call.params[2].values()
        return len(data) // 40 * int(account["code"].count("5afa"))  # GAS STATICCALL
    return int.from_bytes(bytes.fromhex(data[10:])[WORD : 2 * WORD], "big")


@dataclass(eq=False)
class SubCallCap(Fault):
    """An eth_call of more than so many sub-calls runs out of gas, or into a limit of its own wording."""

    most: int = 30
    code: int = -32000
    message: str = "out of gas"

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        if sub_calls(call) <= self.most:
            return await ask(call)
        self.strike()
        return refusal(self.code, self.message)


@dataclass(eq=False)
class BodyCap(Fault):
    """A request of more than so many bytes is a 413."""

    most: int = 4000

    async def on_request(self, body: bytes, post: Post) -> Response:
        if len(body) <= self.most:
            return await post(body)
        self.strike()
        return Response(b"", 413)


@dataclass(eq=False)
class ResponseCap(Fault):
    """An answer of more than so many bytes is not sent."""

    most: int = 4000
    code: int = -32003
    message: str = "response too large"

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        answer = await ask(call)
        if len(json.dumps(answer)) <= self.most:
            return answer
        self.strike()
        return refusal(self.code, self.message)


# --- Logs


@dataclass(eq=False)
class LogCap(Fault):
    """An eth_getLogs of more than so many blocks, or results, is refused in the words of a provider.

    In these, `most` is the cap, and `first` and `last` the range that would do.
    """

    most: int = 3
    by: str = "range"  # or "results"
    code: int = -32000
    message: str = "exceed maximum block range: {most}"

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        if call.method != "eth_getLogs" or "fromBlock" not in call.params[0]:
            return await ask(call)
        first, last = (number(call.params[0][key]) for key in ("fromBlock", "toBlock"))
        answer = await ask(call)
        size = last - first + 1 if self.by == "range" else len(answer["result"])
        if size <= self.most:
            return answer
        self.strike()
        fits = first + self.most - 1 if self.by == "range" else (first + last) // 2
        return refusal(self.code, self.message.format(most=self.most, first=hex(first), last=hex(fits), start=first, end=fits))


@dataclass(eq=False)
class CutsPage(Fault):
    """Of more than so many logs the rest is silently left out."""

    most: int = 3

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        answer = await ask(call)
        if call.method != "eth_getLogs" or len(answer.get("result", ())) <= self.most:
            return answer
        self.strike()
        return {"result": answer["result"][: self.most]}


@dataclass(eq=False)
class Withholds(Fault):
    """Logs of these blocks (all, unless told) are left out of answers; `pushes`: of the socket as well."""

    blocks: Callable[[int], bool] = lambda block: True
    pushes: bool = False

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        answer = await ask(call)
        if call.method != "eth_getLogs" or "result" not in answer:
            return answer
        kept = [log for log in answer["result"] if not self.blocks(number(log["blockNumber"]))]
        if len(kept) < len(answer["result"]):
            self.strike()
        return {"result": kept}

    async def on_note(self, note: dict[str, Any], say: Say) -> None:
        if not self.pushes or not is_log(note) or not self.blocks(number(note["params"]["result"]["blockNumber"])):
            await say(note)


# --- Notifications


def is_log(note: dict[str, Any]) -> bool:
    """A log, not a head."""
    return "topics" in note["params"]["result"]


@dataclass(eq=False)
class Mute(Fault):
    """The sockets that are open at the moment answer pings and say nothing else."""

    _muted: list[Socket] = field(default_factory=list, init=False)

    def begin(self, proxy: Proxy) -> None:
        self._muted = list(proxy.sockets)
        for socket in self._muted:
            socket.muted = self

    def end(self, proxy: Proxy) -> None:
        for socket in self._muted:
            socket.muted = None


@dataclass(eq=False)
class Vanish(Fault):
    """Notifications vanish, on every socket; `every`: each so-manyth one."""

    every: int = 1
    _seen: int = field(default=0, init=False)

    async def on_note(self, note: dict[str, Any], say: Say) -> None:
        self._seen += 1
        if self._seen % self.every:
            await say(note)
        else:
            self.strike()


@dataclass(eq=False)
class Repeat(Fault):
    """Each notification comes three times."""

    async def on_note(self, note: dict[str, Any], say: Say) -> None:
        self.strike()
        for _ in range(3):
            await say(note)


@dataclass(eq=False)
class Disorder(Fault):
    """Notifications come in the reverse of their order, so many at a time."""

    at_once: int = 3
    _waiting: list[dict[str, Any]] = field(default_factory=list, init=False)

    async def on_note(self, note: dict[str, Any], say: Say) -> None:
        self._waiting.append(note)
        if len(self._waiting) < self.at_once:
            return
        self.strike()
        notes, self._waiting = self._waiting, []
        for one in reversed(notes):
            await say(one)


@dataclass(eq=False)
class Removals(Fault):
    """Remembers the logs that it passes on, to push them again as `removed`."""

    _said: list[tuple[dict[str, Any], Say]] = field(default_factory=list, init=False)

    async def on_note(self, note: dict[str, Any], say: Say) -> None:
        if is_log(note):
            self._said.append((note, say))
        await say(note)

    def passed_on(self, above: int) -> list[tuple[dict[str, Any], Say]]:
        """The logs above a block."""
        return [(note, say) for note, say in self._said if number(note["params"]["result"]["blockNumber"]) > above]

    async def take_back(self, above: int) -> None:
        """Push the logs above a block again, newest first, as removed ones."""
        for note, say in reversed(self.passed_on(above)):
            params = note["params"]
            self.strike()
            await say({**note, "params": {**params, "result": {**params["result"], "removed": True}}})
        self._said.clear()
