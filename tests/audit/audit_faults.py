"""Nodes that do not keep old state, and say so in one way or another, or not at all; and one that lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from actors.evm.packed import HEAD
from tests.proxy import Answer, Ask, Call, Fault
from tests.proxy_faults import BY_TAG, _number_of, number, refusal

WORD = 64


async def block_of(call: Call, ask: Ask) -> int | None:
    """The block whose state a call is about; None where it is about none."""
    if call.method not in BY_TAG:
        return None
    where = call.params[BY_TAG[call.method]]
    if where == "latest":
        return number((await ask(Call("eth_blockNumber", (), call.node)))["result"])
    return await _number_of(where["blockHash"], ask) if isinstance(where, dict) else number(where)


@dataclass(eq=False)
class Pruned(Fault):
    """Has the state of the newest `kept` blocks only; what it says of the others is up to `_gone`."""

    kept: int = 3
    message: str = "missing trie node 7a3f (path ) state 0x1 is not available"
    asked: list[int] = field(default_factory=list, init=False)

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        block = await block_of(call, ask)
        head = number((await ask(Call("eth_blockNumber", (), call.node)))["result"])
        if block is None or block > head - self.kept:
            return await ask(call)
        self.strike()
        self.asked.append(block)
        return await self._gone(call, ask)

    async def _gone(self, call: Call, ask: Ask) -> Answer:
        return refusal(-32000, self.message)


@dataclass(eq=False)
class Latest(Pruned):
    """Answers from the latest state instead."""

    async def _gone(self, call: Call, ask: Ask) -> Answer:
        at = BY_TAG[call.method]
        return await ask(Call(call.method, [*call.params[:at], "latest", *call.params[at + 1 :]], call.node))


@dataclass(eq=False)
class Empty(Pruned):
    """As if there were no account: no balance, no code and so no word of a contract; the block is proven well."""

    native: bool = False

    async def _gone(self, call: Call, ask: Ask) -> Answer:
        if call.method == "eth_getCode":
            return {"result": "0x"}
        return changed(await ask(call), call, lambda value, width: 0 if self.native else 16**width - 1)


@dataclass(eq=False)
class Liar(Fault):
    """Each balance that it is asked for is one more."""

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        answer = await ask(call)
        if not is_packed(call):
            return answer
        self.strike()
        return changed(answer, call, lambda value, width: value + 1)


def is_packed(call: Call) -> bool:
    """Whether it runs the reader's own program by state override."""
    return call.method == "eth_call" and len(call.params) == 3


def changed(answer: Answer, call: Call, by: Callable[[int, int], int]) -> Answer:
    """A packed answer whose sums are others."""
    result: Any = answer.get("result")
    wallets = (len(call.params[0]["data"]) - 2) // 40 if is_packed(call) else 0
    if not isinstance(result, str) or wallets < 1:
        return answer
    head, sums = result[: 2 + 2 * HEAD], result[2 + 2 * HEAD :]
    width = len(sums) // wallets
    if width not in (WORD // 2, WORD):  # one wallet, explained source by source: the last word is the first of its sums
        at = len(sums) - WORD
        return {**answer, "result": head + sums[:at] + f"{by(int(sums[at:], 16), WORD):0{WORD}x}"}
    found = [f"{by(int(sums[at : at + width], 16), width):0{width}x}" for at in range(0, len(sums), width)]
    return {**answer, "result": head + "".join(found)}
