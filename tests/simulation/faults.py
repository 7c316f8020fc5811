"""What can be wrong with a simulated node: switched on and off while a history runs, and counted where it strikes.

A rate is the part of all requests, answers or notifications that it strikes; True is each one. All of it is off by default.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

from tests.simulation.chain import Block, Log

PLAIN_LAG = " lags"
Response = tuple[int, Mapping[str, str], bytes]
JSON = {"content-type": "application/json"}
HTML = b"<html><head><title>502</title></head><body>the gateway is busy</body></html>"
# Code and words of a refused range, then of a result cap. {n} is the cap, {first} and {last} a range that would do.
Wording = tuple[int, str, int, str]
WORDINGS: dict[str, Wording] = {
    "alchemy": (
        -32600, "You can make eth_getLogs requests with up to a {n} block range. Based on your parameters, this block range should work: "
        "[{first}, {last}]",
        -32602, "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response "
        "size, or you can request any block range with a cap of {n} logs in the response. Based on your parameters and the response size "
        "limit, this block range should work: [{first}, {last}]",
    ),
    "infura": (
        -32602, "range {asked} exceeds limit of {n}",
        -32005, "query returned more than {n} results. Try with this block range [{first}, {last}].",
    ),
    "quicknode": (-32614, "eth_getLogs is limited to a {n} range", -32602, "query exceeds max results {n}"),
    "geth": (-32602, "exceed maximum block range: {n}", -32000, "query returned more than {n} results"),
    "erigon": (
        -32602, "query block range exceeds server limit, narrow your filter: {n}",
        -32602, "query returns too many logs, narrow your filter: {n}",
    ),
    "nethermind": (
        -32602, "Block range {asked} exceeds the maximum of {n} blocks per logs request. Use a narrower fromBlock/toBlock range or "
        "increase Receipt.MaxBlockDepth.",
        -32005, "Too many logs requested. Max logs per response is {n}.",
    ),
    "publicnode": (-32701, "exceed maximum block range: {n}", -32005, "query returned more than {n} results"),
}  # fmt: skip


class RpcError(Exception):
    """An error object in an answer."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass
class Faults:
    """One node's faults. `struck` counts how often each showed; `clear` ends all of them and keeps the counts."""

    # The way to the node
    down: bool = False  # not reached; sockets are cut
    slow: float = 0.0
    slow_secs: float = 3.0  # how much later a slow answer comes; more than ten is none
    failing_status: float = 0.0
    status: int = 502
    throttle: float = 0.0  # 429
    retry_after: str | None = None
    limit_in_200: float = 0.0  # -32005 with status 200
    html: float = 0.0
    half_json: float = 0.0
    other_id: float = 0.0
    no_batches: bool = False
    body_limit: int | None = None  # bytes of a request
    response_limit: int | None = None  # bytes of an answer
    # Which block it believes to be the head
    lag: int = 0
    sits_on: Block | None = None  # a block of another branch
    balancer: bool = False  # each item is answered at random by this view or by the other
    other_lag: int = 0
    other_sits_on: Block | None = None
    range_errors: bool = False  # logs of blocks above its head are an error, not []
    # What it does with calls
    wrong_chain_id: int | None = None
    ignores_tag: bool = False  # eth_call at the head, whatever was asked for
    ignores_hash: bool = False  # takes a hash pin and answers at the head
    ignores_canonical: bool = False  # takes an orphan's hash, whatever requireCanonical says
    refuses_hash: bool = False
    no_overrides: bool = False  # the override is ignored
    refuses_overrides: bool = False
    no_deploys: bool = False
    no_multicall3: bool = False
    max_sub_calls: int | None = None  # more run out of gas
    gas_cap: int | None = None  # the last sub-calls starve, or the whole call does
    # What it does with logs
    max_range: int | None = None
    max_results: int | None = None  # less than one block's logs: that block can never be asked for
    wording: str = "geth"
    cuts_page: int | None = None  # silently, after so many logs
    omits_logs: float = 0.0  # of all logs, each at most once in a history
    # Its sockets
    ws_refuses: bool = False
    ws_silent: bool = False  # pings are answered, and nothing else comes
    ws_deaf: bool = False  # not even pings are answered
    ws_drops: float = 0.0
    ws_repeats: float = 0.0
    ws_reorders: float = 0.0
    ws_cuts: float = 0.0  # instead of a notification
    ws_half: float = 0.0  # half a notification
    omits_removed: bool = False  # no removed: true on a reorg
    fell_back_at: float = float("-inf")  # when its head last went back, or aside
    struck: Counter[str] = field(default_factory=Counter)

    def clear(self) -> None:
        """End all faults."""
        for one in fields(self):
            if one.name != "struck":
                setattr(self, one.name, one.default)

    def strikes(self, name: str, rng: random.Random) -> bool:
        """Whether this one strikes now. A fault that is off draws no random number."""
        rate = float(getattr(self, name))
        if rate <= 0 or (rate < 1 and rng.random() >= rate):
            return False
        self.struck[name] += 1
        return True

    def note(self, name: str) -> None:
        """A fault showed."""
        self.struck[name] += 1

    def head_of(self, canonical: Block) -> Block:
        """What this node takes for the head."""
        return _seen(canonical, self.lag, self.sits_on)

    def head_for(self, canonical: Block, rng: random.Random) -> Block:
        """The same for one item of a request, where a load balancer may stand between."""
        if self.balancer and rng.random() < 0.5:
            self.note("balancer")
            return _seen(canonical, self.other_lag, self.other_sits_on)
        if self.sits_on is not None:
            self.note("sits_on")
        elif self.lag:
            self.note("lag")
        return self.head_of(canonical)

    def before(self, body: bytes, rng: random.Random) -> Response | None:
        """What an HTTP request gets instead of an answer, if anything."""
        if self.body_limit is not None and len(body) > self.body_limit:
            self.note("body_limit")
            return 413, {"content-type": "text/plain"}, b"Request Entity Too Large"
        if self.strikes("failing_status", rng):
            return self.status, {"content-type": "text/html"}, HTML
        if self.strikes("throttle", rng):
            after = {} if self.retry_after is None else {"retry-after": self.retry_after}
            return 429, {**JSON, **after}, b'{"jsonrpc":"2.0","id":null,"error":{"code":429,"message":"Too Many Requests"}}'
        if self.strikes("html", rng):
            return 200, {"content-type": "text/html"}, HTML
        return None

    def after(self, answer: bytes, rng: random.Random) -> Response:
        """What becomes of an answer on its way."""
        if self.response_limit is not None and len(answer) > self.response_limit:
            self.note("response_limit")
            number = _id_of(answer)
            answer = json.dumps({"jsonrpc": "2.0", "id": number, "error": {"code": -32003, "message": "response too large"}}).encode()
        if self.strikes("half_json", rng):
            answer = answer[: len(answer) // 2]
        return 200, JSON, answer

    def check_range(self, first: int, last: int) -> None:
        """Refuse a range that is too long, in the provider's words."""
        if self.max_range is not None and last - first + 1 > self.max_range:
            self.note("max_range")
            code, words, _, _ = WORDINGS[self.wording]
            raise RpcError(code, _fill(words, self.max_range, first, first + self.max_range - 1, last - first + 1))

    def check_results(self, found: Sequence[Log], first: int, last: int) -> None:
        """Refuse a range that holds too many logs, in the provider's words."""
        if self.max_results is not None and len(found) > self.max_results:
            self.note("max_results")
            _, _, code, words = WORDINGS[self.wording]
            good = max(first, int(found[self.max_results]["blockNumber"], 16) - 1)
            raise RpcError(code, _fill(words, self.max_results, first, good, last - first + 1))


class Withheld:
    """Logs that some answer kept back in silence: each at most once in a history, so that of two askings one finds it."""

    def __init__(self) -> None:
        self.by: dict[tuple[str, str], str] = {}  # (block hash, log index): node and cause

    def may(self, log: Log, by: str) -> bool:
        """Whether this log may be kept back now; then it is noted, and never is again."""
        key = log["blockHash"], log["logIndex"]
        if key in self.by:
            return False
        self.by[key] = by
        return True

    def excused(self) -> list[bytes]:
        """The hashes of the blocks whose logs no single answer could be known to lack: all but those of a node that plainly lagged."""
        return [bytes.fromhex(block_hash[2:]) for (block_hash, _), by in self.by.items() if not by.endswith(PLAIN_LAG)]

    def may_all(self, logs: Sequence[Log], by: str) -> bool:
        """All of them, or none."""
        if any((log["blockHash"], log["logIndex"]) in self.by for log in logs):
            return False
        return all([self.may(log, by) for log in logs])


def _seen(canonical: Block, lag: int, sits_on: Block | None) -> Block:
    head = canonical if sits_on is None else sits_on
    return head.at(head.number - lag) or head.line[0]


def _fill(words: str, cap: int, first: int, last: int, asked: int) -> str:
    return words.format(n=cap, first=hex(first), last=hex(last), asked=asked)


def _id_of(answer: bytes) -> object:
    found = json.loads(answer)
    return found.get("id") if isinstance(found, dict) else None
