"""A simulated provider at the transport port: JSON-RPC bytes in and out, over HTTP and sockets, on Trio's clock.

Several nodes, one a host (`http://a.sim/any/key`), each with its own view of the chain and its own faults. All randomness comes from
the generator that is handed in.
"""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import trio

from actors.errors import Transient
from actors.evm.keccak import keccak
from tests.evm import mini_evm
from tests.evm.mini_evm import Around, Halt
from tests.simulation import chain as contracts
from tests.simulation.chain import MULTICALL3, NATIVE, SELECTORS, Block, Chain, Log, fork_point
from tests.simulation.faults import PLAIN_LAG, Faults, Response, RpcError, Withheld
from tests.simulation.socket import Filter, Wire

REQUEST_SECS = 10.0
FELL_BACK_SECS = 30.0  # a question may be older than its answer: slow nodes, frozen processes
GAS_CAP = 50_000_000
PROGRAM_GAS = 50_000_000
SUB_CALL_GAS = 8_000
MOST_STARVED = 10  # sub-calls that fail for want of gas before the whole call does
AGGREGATE3 = bytes.fromhex("82ad56cb")
SELF = {
    keccak(f"{name}()".encode())[:4]: what
    for name, what in {
        "getBlockNumber": "number",
        "getLastBlockHash": "parent",
        "getCurrentBlockTimestamp": "timestamp",
        "getCurrentBlockDifficulty": "prevrandao",
        "getChainId": "chain",
    }.items()
} | {keccak(b"getEthBalance(address)")[:4]: "balance"}
GET_BLOCK_HASH = keccak(b"getBlockHash(uint256)")[:4]
SUCCESS, FAILURE = (flag.to_bytes(32, "big") + (64).to_bytes(32, "big") for flag in (1, 0))
ONE_WORD = SUCCESS + (32).to_bytes(32, "big")
CODE = (MULTICALL3, *SELECTORS)


class Node:
    """One node: its view of the chain, its faults, and the sockets that are open to it."""

    def __init__(self, name: str, chain: Chain, rng: random.Random, withheld: Withheld) -> None:
        self.name, self.chain, self.rng, self.withheld = name, chain, rng, withheld
        self.faults = Faults()
        self.wires: list[Wire] = []
        self._heads: deque[Block] = deque(maxlen=100)
        self.state_window = 128
        self.latency_secs = (0.005, 0.05)
        self.asked: Counter[str] = Counter()
        self.on_answer: Callable[[str, str, str], object] = lambda node, method, outcome: None

    def head(self) -> Block:
        """The block that it takes for the head."""
        return self.faults.head_of(self.chain.head)

    def delay(self) -> float:
        """The way to the node or back, in seconds."""
        slow = self.faults.slow_secs if self.faults.strikes("slow", self.rng) else 0.0
        return self.rng.uniform(*self.latency_secs) + slow

    async def check_reachable(self, wire: Wire | None = None) -> None:
        """Raise Transient where the node is down."""
        if self.faults.down:
            self.faults.note("down")
            await trio.sleep(self.rng.uniform(*self.latency_secs))
            if wire is not None:
                wire.cut("the node is down")
            raise Transient("not reached: ConnectError")

    async def post(self, body: bytes) -> Response:
        """An HTTP request: answered from what the node knows halfway."""
        await trio.sleep(self.delay())
        await self.check_reachable()
        response = self.faults.before(body, self.rng) or self.faults.after(self.answer_bytes(body), self.rng)
        await trio.sleep(self.rng.uniform(*self.latency_secs))
        return response

    async def open(self) -> Wire:
        """A new socket. Raises Transient."""
        with trio.move_on_after(REQUEST_SECS) as late:
            await trio.sleep(self.delay())
            await self.check_reachable()
        if late.cancelled_caught:
            raise Transient("the socket does not open")
        if self.faults.ws_refuses:
            self.faults.note("ws_refuses")
            raise Transient("not reached: the handshake is refused")
        wire = Wire(self)
        self.wires.append(wire)
        return wire

    def cut(self) -> None:
        """Cut all open sockets now."""
        for wire in list(self.wires):
            self.faults.note("cut")
            wire.cut("cut")

    def moved(self) -> None:
        """The head or the faults have changed."""
        self._heads.append(self.head())
        for wire in list(self.wires):
            wire.moved()
            if self.faults.down:
                self.faults.note("down")
                wire.cut("the node is down")

    def answer_bytes(self, body: bytes | str) -> bytes:
        """A request's or a batch's answer."""
        asked = json.loads(body)
        if isinstance(asked, list) and self.faults.no_batches:
            self.faults.note("no_batches")
            return _bytes({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "batch requests are not supported"}})
        return _bytes([self.answer(item) for item in asked] if isinstance(asked, list) else self.answer(asked))

    def answer(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """One request object's answer."""
        method, number = str(item["method"]), item.get("id")
        self.asked[method] += 1
        if self.faults.strikes("other_id", self.rng):
            number = 7_000_000 + self.rng.randrange(1000)
        try:
            if self.faults.strikes("limit_in_200", self.rng):
                raise RpcError(-32005, "daily request count exceeded, request rate limited")
            result = self._result(method, item.get("params") or [])
        except RpcError as error:
            self.on_answer(self.name, method, error.message)
            return {"jsonrpc": "2.0", "id": number, "error": {"code": error.code, "message": error.message}}
        self.on_answer(self.name, method, "")
        return {"jsonrpc": "2.0", "id": number, "result": result}

    def _result(self, method: str, params: Sequence[Any]) -> Any:
        found = METHODS.get(method)
        if found is None:
            raise RpcError(-32601, f"the method {method} does not exist/is not available")
        return found(self, self.faults.head_for(self.chain.head, self.rng), params)

    def chain_id(self) -> int:
        """The chain that it says it is on."""
        if self.faults.wrong_chain_id is None:
            return contracts.CHAIN_ID
        self.faults.note("wrong_chain_id")
        return self.faults.wrong_chain_id

    def known(self, head: Block, block_hash: str) -> Block | None:
        """A block by hash, as far as a node with this head can know of it; side branches only where it is up to date."""
        block = self.chain.by_hash.get(bytes.fromhex(block_hash[2:]))
        if block is None or head.holds(block) or head is self.chain.head:
            return block
        return None

    def state_at(self, head: Block, where: Any) -> Block:
        """The block that a call is made at. Raises RpcError."""
        faults = self.faults
        if isinstance(where, Mapping):
            return self._state_by_hash(head, where)
        if faults.ignores_tag and where != "latest":
            faults.note("ignores_tag")
            return head
        block = numbered(head, where)
        if block is None:
            raise RpcError(-32000, "header not found")
        return self._unpruned(head, block)

    def _state_by_hash(self, head: Block, where: Mapping[str, Any]) -> Block:
        faults = self.faults
        if faults.refuses_hash:
            faults.note("refuses_hash")
            raise RpcError(-32602, "invalid argument 1: json: cannot unmarshal object into Go value of type string")
        if faults.ignores_hash or faults.ignores_tag:
            faults.note("ignores_hash" if faults.ignores_hash else "ignores_tag")
            return head
        block = self.known(head, where["blockHash"])
        if block is None:
            raise RpcError(*self.rng.choice([(-32001, "Resource not found"), (-32000, "header for hash not found")]))
        if not head.holds(block) and where.get("requireCanonical"):
            if not faults.ignores_canonical:
                raise RpcError(-32000, f"hash {where['blockHash']} is not currently canonical")
            faults.note("ignores_canonical")
        return self._unpruned(head, block)

    def _unpruned(self, head: Block, block: Block) -> Block:
        if head.number - block.number >= self.state_window:
            root = block.prevrandao.hex()
            raise RpcError(-32000, f"missing trie node {root} (path ) state 0x{root} is not available, not found")
        return block


    def logs(self, head: Block, where: Mapping[str, Any]) -> list[Log]:
        """The logs that a question is about. Raises RpcError."""
        wanted = Filter(where)
        if "blockHash" in where:
            block = self.known(head, where["blockHash"])
            if block is None:
                raise RpcError(-32000, "unknown block")
            first, last, found = block.number, block.number, wanted.of([block])
        else:
            first, last = (_number(head, where.get(end, "latest")) for end in ("fromBlock", "toBlock"))
            self.faults.check_range(first, last)
            found = self._logs_between(head, first, last, wanted)
        self.faults.check_results(found, first, last)
        return self._kept(found)

    def _logs_between(self, head: Block, first: int, last: int, wanted: Filter) -> list[Log]:
        """What this view has of a range. What it lacks is kept back in silence, unless some of that was before: then it is an error."""
        faults, canonical = self.faults, self.chain.head
        if last > head.number and faults.range_errors:
            faults.note("range_errors")
            raise RpcError(-32602, "block range extends beyond current head block")
        # Whoever asked for the head just before the node fell back must not lose the same log a second time.
        fell_back = trio.current_time() - faults.fell_back_at < FELL_BACK_SECS
        if head is not canonical and (faults.balancer or faults.sits_on is None or fell_back):
            lacks = blocks_between(canonical, max(first, fork_point(head, canonical).number + 1), last)
            lags = not (faults.balancer or fell_back or self._has_had(canonical, last))
            cause = PLAIN_LAG if lags else " falls back"
            if not self.withheld.may_all(wanted.of(lacks), self.name + cause):
                raise RpcError(-32602, "block range extends beyond current head block")
        return wanted.of(blocks_between(head, first, last))

    def _has_had(self, canonical: Block, last: int) -> bool:
        block = canonical.at(min(last, canonical.number))
        return block is not None and any(head.holds(block) for head in self._heads)

    def _kept(self, found: list[Log]) -> list[Log]:
        """What is left after a page was cut and logs were omitted, each of which happens to a log once."""
        faults, cut, rate = self.faults, self.faults.cuts_page, self.faults.omits_logs
        kept = []
        for index, log in enumerate(found):
            if cut is not None and index >= cut and self.withheld.may(log, f"{self.name} cuts_page"):
                faults.note("cuts_page")
            elif rate and self.rng.random() < rate and self.withheld.may(log, f"{self.name} omits_logs"):
                faults.note("omits_logs")
            else:
                kept.append(log)
        return kept


def numbered(head: Block, where: str) -> Block | None:
    """A block of this head's branch by tag or number."""
    return head.at(_number(head, where))


def _tagged(head: Block, tag: str) -> int:
    behind = {"latest": 0, "pending": 0, "safe": 32, "finalized": 64}.get(tag, head.number)
    return max(head.line[0].number, head.number - behind)


def blocks_between(head: Block, first: int, last: int) -> list[Block]:
    """Those blocks of this head's branch, both ends among them."""
    base = head.line[0].number
    return head.line[max(first, base) - base : max(0, min(last, head.number) - base + 1)]


def _number(head: Block, where: str) -> int:
    return int(where, 16) if where.startswith("0x") else _tagged(head, where)


def _block_by_number(node: Node, head: Block, params: Sequence[Any]) -> Any:
    block = numbered(head, params[0])
    return None if block is None else block.header


def _block_by_hash(node: Node, head: Block, params: Sequence[Any]) -> Any:
    block = node.known(head, params[0])
    return None if block is None else block.header


def _code(node: Node, head: Block, params: Sequence[Any]) -> str:
    node.state_at(head, params[1])
    if node.faults.no_multicall3 and bytes.fromhex(params[0][2:]) == MULTICALL3:
        return "0x"
    return "0x6080" if bytes.fromhex(params[0][2:]) in CODE else "0x"


def _balance(node: Node, head: Block, params: Sequence[Any]) -> str:
    return hex(node.state_at(head, params[1]).balance(NATIVE, bytes.fromhex(params[0][2:])))


def _call(node: Node, head: Block, params: Sequence[Any]) -> str:
    call, block = params[0], node.state_at(head, params[1] if len(params) > 1 else "latest")
    data, faults = bytes.fromhex(call["data"][2:]), node.faults
    if (program := _program(faults, call, params)) is not None:
        return "0x" + run_program(node, block, program, data).hex()
    to = bytes.fromhex(call["to"][2:]) if "to" in call else b""
    if to == MULTICALL3 and data[:4] == AGGREGATE3 and not faults.no_multicall3:
        gas = min(faults.gas_cap or GAS_CAP, int(call.get("gas", hex(GAS_CAP)), 16))
        return "0x" + aggregate3(node, block, data, gas).hex()
    ok, returned = sub_call(node, block, to, data)
    if not ok:
        raise RpcError(3, "execution reverted")
    return "0x" + returned.hex()


def _program(faults: Faults, call: Mapping[str, Any], params: Sequence[Any]) -> bytes | None:
    """The code of a call that brings its own."""
    if len(params) > 2 and faults.refuses_overrides:
        faults.note("refuses_overrides")
        raise RpcError(-32602, "too many arguments, want at most 2")
    if len(params) > 2 and not faults.no_overrides:
        return bytes.fromhex(next(iter(params[2].values()))["code"][2:])
    if "to" not in call and not faults.no_deploys:
        return bytes.fromhex(call["data"][2:])
    return None


def run_program(node: Node, block: Block, program: bytes, data: bytes) -> bytes:
    """What a program of the caller's own answers. Raises RpcError."""
    calls, most = itertools.count(1), node.faults.max_sub_calls

    def call(to: bytes, sent: bytes) -> tuple[bool, bytes]:
        if most is not None and next(calls) > most:
            node.faults.note("max_sub_calls")
            raise Halt("out of gas")
        return sub_call(node, block, to, sent)

    def block_hash(number: int) -> bytes:
        older = block.at(number) if 0 < block.number - number <= 256 else None
        return older.hash if older is not None else bytes(32)

    around = Around(
        block.number, block.timestamp, block.prevrandao, node.chain_id(), block_hash,
        lambda wallet: block.balance(NATIVE, wallet), call, lambda to, sent: burns(block, to, sent),
    )  # fmt: skip
    try:
        return mini_evm.run(program, data, around, node.faults.gas_cap or PROGRAM_GAS)
    except Halt as error:
        if node.faults.gas_cap is not None:
            node.faults.note("gas_cap")
        raise RpcError(-32000, str(error)) from error


def aggregate3(node: Node, block: Block, data: bytes, gas: int) -> bytes:
    """Multicall3's answer; a sub-call that burns its gas leaves a 64th for those after it. Raises RpcError."""
    number = int.from_bytes
    count = number(data[36:68], "big")
    most = node.faults.max_sub_calls
    if most is not None and count > most:
        node.faults.note("max_sub_calls")
        raise RpcError(-32000, "out of gas")
    heads, tails, at = [], [], 32 * count
    for slot in range(68, 68 + 32 * count, 32):
        call = 68 + number(data[slot : slot + 32], "big")
        inner = call + number(data[call + 64 : call + 96], "big")
        size = number(data[inner : inner + 32], "big")
        to, sent = data[call + 12 : call + 32], data[inner + 32 : inner + 32 + size]
        starved = gas < SUB_CALL_GAS
        ok, returned = (False, b"") if starved else sub_call(node, block, to, sent)
        if starved and node.faults.gas_cap is not None:
            node.faults.note("gas_cap")
        gas = gas // 64 if block.failing and burns(block, to, sent) else gas - SUB_CALL_GAS
        if gas < -SUB_CALL_GAS * MOST_STARVED:
            raise RpcError(-32000, "out of gas")
        if not ok and not data[call + 63]:
            raise RpcError(3, "execution reverted: Multicall3: call failed")
        if ok and len(returned) == 32:
            tail = ONE_WORD + returned
        else:
            tail = (SUCCESS if ok else FAILURE) + len(returned).to_bytes(32, "big") + returned + bytes(-len(returned) % 32)
        heads.append(at.to_bytes(32, "big"))
        tails.append(tail)
        at += len(tail)
    return b"".join([(32).to_bytes(32, "big"), data[36:68], *heads, *tails])


def burns(block: Block, to: bytes, sent: bytes) -> bool:
    """Whether a sub-call burns all the gas that it is given."""
    wallet = sent[16:36]
    return block.failing.get(wallet) == contracts.BURNS_GAS and contracts.failing_source(wallet) == to


def sub_call(node: Node, block: Block, to: bytes, sent: bytes) -> tuple[bool, bytes]:
    """One call of a contract: whether it succeeded, and what it returned. Where there is no code, nothing."""
    selector = sent[:4]
    if (known := SELECTORS.get(to)) is not None:
        return contracts.view(block, to, sent[16:36]) if selector == known and len(sent) == 36 else (False, b"")
    if to != MULTICALL3 or node.faults.no_multicall3:
        return True, b""
    what = SELF.get(selector)
    if selector == GET_BLOCK_HASH:
        asked = int.from_bytes(sent[4:36], "big")
        older = block.at(asked) if 0 < block.number - asked <= 256 else None
        return True, older.hash if older is not None else bytes(32)
    if what == "balance":
        return True, block.balance(NATIVE, sent[16:36]).to_bytes(32, "big")
    if what in ("parent", "prevrandao"):
        return True, block.prevrandao if what == "prevrandao" else (block.parent.hash if block.parent else bytes(32))
    if what is None:
        return False, b""
    value = {"number": block.number, "timestamp": block.timestamp}.get(what)
    return True, (node.chain_id() if value is None else value).to_bytes(32, "big")


METHODS: dict[str, Callable[[Node, Block, Sequence[Any]], Any]] = {
    "eth_chainId": lambda node, head, params: hex(node.chain_id()),
    "eth_blockNumber": lambda node, head, params: hex(head.number),
    "eth_getBlockByNumber": _block_by_number,
    "eth_getBlockByHash": _block_by_hash,
    "eth_getCode": _code,
    "eth_getBalance": _balance,
    "eth_call": _call,
    "eth_getLogs": lambda node, head, params: node.logs(head, params[0]),
}


def _bytes(found: Any) -> bytes:
    return json.dumps(found, separators=(",", ":")).encode()


class Provider:
    """All nodes of a history, by the host in their URLs. See the module."""

    def __init__(self, chain: Chain, rng: random.Random, names: Sequence[str] = ("a", "b")) -> None:
        self.withheld = Withheld()
        self.nodes = {name: Node(name, chain, random.Random(rng.getrandbits(64)), self.withheld) for name in names}
        self.http_urls = [f"http://{name}.sim" for name in names]
        self.ws_urls = [f"ws://{name}.sim" for name in names]
        self.trace: Callable[..., object] = lambda *words: None
        chain.listeners.append(self.moved)

    async def post(self, url: str, body: bytes) -> Response:
        """Status, headers with lower-case names, and body. Raises Transient."""
        try:
            with trio.fail_after(REQUEST_SECS):
                return await self.node(url).post(body)
        except trio.TooSlowError:
            raise Transient(f"no answer within {REQUEST_SECS:.0f} s") from None

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[Wire]:
        """A socket, for as long as the context lasts. Raises Transient."""
        node = self.node(url)
        wire = await node.open()
        try:
            yield wire
        finally:
            node.wires.remove(wire)
            wire.cut("left")

    def node(self, url: str) -> Node:
        """The node that a URL names. Raises Transient where there is none."""
        found = self.nodes.get((urlsplit(url).hostname or "").removesuffix(".sim"))
        if found is None:
            raise Transient("not reached: no such host")
        return found

    def moved(self) -> None:
        """The chain or a node's faults have changed: each socket is told what is new, or cut where its node is down."""
        for node in self.nodes.values():
            node.moved()

    def clear(self) -> None:
        """End all faults of all nodes."""
        for node in self.nodes.values():
            node.faults.clear()
        self.moved()

    def struck(self) -> Counter[str]:
        """How often each fault showed, in all."""
        return sum((node.faults.struck for node in self.nodes.values()), Counter())
