"""More limits of providers, for what measures them: state windows, gas, batches, and what is not served. See `proxy_faults`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

import trio

from tests.proxy import Answer, Ask, Call, Fault, Post, Response, Say
from tests.proxy_faults import BY_TAG, is_log, number, refusal

STATE = {**BY_TAG, "eth_getTransactionCount": 1}
EMPTY = {"eth_getBalance": "0x0", "eth_getCode": "0x", "eth_getTransactionCount": "0x0"}
TRIE = "missing trie node 41c2fbb5a2b1e7f7 (path ) state 0x41c2 is not available, not found"


@dataclass(eq=False)
class Pruned(Fault):
    """State of more than so many blocks back is gone. `empty`: it is answered as if nothing were there, without an error."""

    most: int = 128
    code: int = -32000
    message: str = TRIE
    empty: bool = False

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        where = call.params[STATE[call.method]] if call.method in STATE else "latest"
        if not isinstance(where, str) or not where.startswith("0x"):
            return await ask(call)
        head = number((await ask(Call("eth_blockNumber", (), call.node)))["result"])
        if head - number(where) <= self.most:
            return await ask(call)
        self.strike()
        if not self.empty:
            return refusal(self.code, self.message)
        return {"result": EMPTY[call.method]} if call.method in EMPTY else await ask(call)


@dataclass(eq=False)
class GasCap(Fault):
    """An eth_call gets no more gas than this. `message`: more is refused so; "": it gets that much, and nobody is told, as geth does."""

    most: int = 50_000_000
    code: int = -32000
    message: str = ""

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        if call.method != "eth_call":
            return await ask(call)
        tx = call.params[0]
        asked = int(tx["gas"], 16) if "gas" in tx else None
        if asked is not None and asked <= self.most:
            return await ask(call)
        if asked is not None and self.message:
            self.strike()
            return refusal(self.code, self.message.format(most=self.most, asked=asked))
        self.strike()
        return await ask(replace(call, params=[{**tx, "gas": hex(self.most)}, *call.params[1:]]))


@dataclass(eq=False)
class BatchCap(Fault):
    """A batch of more than so many calls is refused. `style`: geth answers an array with one error, erigon one error, others leave out the rest."""

    most: int = 100
    style: str = "geth"

    async def on_request(self, body: bytes, post: Post) -> Response:
        asked = json.loads(body)
        if not isinstance(asked, list) or len(asked) <= self.most:
            return await post(body)
        self.strike()
        if self.style == "missing":
            return await post(json.dumps(asked[: self.most]).encode())
        words = {"geth": "batch too large", "erigon": f"batch limit {self.most} exceeded (can increase by --rpc.batch.limit). Requested batch of size: {len(asked)}"}
        error = {"jsonrpc": "2.0", "id": asked[0]["id"] if self.style == "geth" else None, **refusal(-32600 if self.style == "geth" else -32000, words[self.style])}
        return Response(json.dumps([error] if self.style == "geth" else error).encode())


@dataclass(eq=False)
class NoOverride(Fault):
    """The third parameter of an eth_call is one too many."""

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        if call.method != "eth_call" or len(call.params) < 3:
            return await ask(call)
        self.strike()
        return refusal(-32602, "too many arguments, want at most 2")


@dataclass(eq=False)
class RequestsUntil(Fault):
    """After so many requests each further one is a 429."""

    most: int = 30
    _seen: int = field(default=0, init=False)

    async def on_request(self, body: bytes, post: Post) -> Response:
        self._seen += 1
        if self._seen <= self.most:
            return await post(body)
        self.strike()
        return Response(b'{"jsonrpc":"2.0","error":{"code":-32005,"message":"Too Many Requests"}}', 429)


@dataclass(eq=False)
class Hang(Fault):
    """A request is taken, and never answered; `after`: those before it are."""

    after: int = 0
    _seen: int = field(default=0, init=False)

    async def on_request(self, body: bytes, post: Post) -> Response:
        self._seen += 1
        if self._seen <= self.after:
            return await post(body)
        self.strike()
        await trio.sleep_forever()
        raise AssertionError


@dataclass(eq=False)
class NoLogPushes(Fault):
    """Heads are pushed, logs are not."""

    async def on_note(self, note: dict[str, Any], say: Say) -> None:
        if is_log(note):
            self.strike()
        else:
            await say(note)
