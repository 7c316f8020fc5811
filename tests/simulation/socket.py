"""A simulated node's WebSocket: requests, subscriptions, and notifications whenever the node's head moves.

No task runs behind it: what is sent waits in a heap until its time has come and the reader takes it.
"""

from __future__ import annotations

import heapq
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import trio

from actors.errors import Transient
from tests.simulation.chain import Block, Log, fork_point

if TYPE_CHECKING:
    from tests.simulation.provider import Node

MOST_WAITING = 10_000  # a reader that is slower than this is cut off
REORDERED_SECS = 2.0


class Filter:
    """The addresses and first topics that a question or a subscription is about."""

    def __init__(self, where: Mapping[str, Any]) -> None:
        addresses, topics = where.get("address") or [], (where.get("topics") or [None])[0] or []
        self._addresses = [one.lower() for one in ([addresses] if isinstance(addresses, str) else addresses)]
        self._topics = [one.lower() for one in ([topics] if isinstance(topics, str) else topics)]

    def of(self, blocks: Sequence[Block]) -> list[Log]:
        """The blocks' logs that match."""
        return [log for block in blocks if block.logs for log in block.logs if self._takes(log)]

    def _takes(self, log: Log) -> bool:
        if self._addresses and log["address"] not in self._addresses:
            return False
        return not self._topics or log["topics"][0] in self._topics


class Wire:
    """The client's end of one socket. Everything raises Transient once it is closed or cut."""

    def __init__(self, node: Node) -> None:
        self._node, self._seen = node, node.head()
        self._subscriptions: dict[str, Filter | None] = {}  # None: newHeads
        self._waiting: list[tuple[float, int, str]] = []
        self._numbers = itertools.count(1)
        self._last_note_at = float("-inf")
        self._changed = trio.Event()
        self.closed: str | None = None

    async def send_message(self, text: str) -> None:
        """Send a request; its answer comes through `get_message`."""
        self._check()
        await trio.lowlevel.checkpoint()
        self._check()
        await self._node.check_reachable(self)
        if not self._node.faults.ws_silent and not self._node.faults.ws_deaf:
            self._put(trio.current_time() + self._node.delay(), self._answer(text))

    async def get_message(self) -> str:
        """The next answer or notification, when its time has come."""
        while True:
            self._check()
            due = self._waiting[0][0] if self._waiting else float("inf")
            if due <= trio.current_time():
                await trio.lowlevel.checkpoint()  # before it is taken, so that no cancellation loses it
                self._check()
                if self._waiting:
                    return heapq.heappop(self._waiting)[2]
                continue
            with trio.move_on_at(due):
                await self._changed.wait()

    async def ping(self) -> None:
        """Wait for a pong."""
        self._check()
        if self._node.faults.ws_deaf:
            self._node.faults.note("ws_deaf")
            await self._closing()
        await trio.sleep(self._node.delay())
        await self._node.check_reachable(self)
        self._check()

    def cut(self, reason: str) -> None:
        """End the connection, from whichever side."""
        self.closed = self.closed or reason
        self._waiting.clear()
        self._ring()

    def moved(self) -> None:
        """The node's head may have moved: notify. A head that fell back along its own branch is only a view that lags."""
        head, seen = self._node.head(), self._seen
        if self.closed is not None or seen.holds(head):
            return
        self._seen = head
        fork = fork_point(seen, head).number - head.line[0].number
        gone = seen.line[fork + 1 : seen.number - head.line[0].number + 1]
        come = head.line[fork + 1 : head.number - head.line[0].number + 1]
        for subscription, wanted in self._subscriptions.items():
            for result in self._news(wanted, gone, come):
                self._notify(subscription, result)

    def _news(self, wanted: Filter | None, gone: Sequence[Block], come: Sequence[Block]) -> list[Mapping[str, Any]]:
        if wanted is None:
            return [block.header for block in come]
        removed = [{**log, "removed": True} for log in wanted.of(gone[::-1])]
        if removed and self._node.faults.omits_removed:
            self._node.faults.note("omits_removed")
            removed = []
        return [*removed, *wanted.of(come)]

    def _notify(self, subscription: str, result: Mapping[str, Any]) -> None:
        faults, rng = self._node.faults, self._node.rng
        if self.closed is not None:
            return
        if faults.ws_silent or faults.ws_deaf:
            faults.note("ws_silent" if faults.ws_silent else "ws_deaf")
            return
        if faults.strikes("ws_cuts", rng):
            self.cut("cut")
            return
        if faults.strikes("ws_drops", rng):
            return
        note = {"jsonrpc": "2.0", "method": "eth_subscription", "params": {"subscription": subscription, "result": result}}
        text = json.dumps(note, separators=(",", ":"))
        if faults.strikes("ws_half", rng):
            text = text[: len(text) // 2]
        due = max(self._last_note_at, trio.current_time() + self._node.delay())
        if faults.strikes("ws_reorders", rng):
            self._put(due + rng.uniform(0, REORDERED_SECS), text)  # those after it do not wait for it
            return
        self._last_note_at = due
        for _ in range(1 + faults.strikes("ws_repeats", rng)):
            self._put(due, text)

    def _answer(self, text: str) -> str:
        asked = json.loads(text)
        if isinstance(asked, dict) and asked.get("method") in ("eth_subscribe", "eth_unsubscribe"):
            self._node.asked[asked["method"]] += 1
            result = self._subscribe(asked["params"]) if asked["method"] == "eth_subscribe" else self._unsubscribe(asked["params"])
            return json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": result})
        return self._node.answer_bytes(text).decode()

    def _subscribe(self, params: Sequence[Any]) -> str:
        subscription = "0x" + self._node.rng.getrandbits(128).to_bytes(16, "big").hex()
        self._subscriptions[subscription] = None if params[0] == "newHeads" else Filter(params[1] if len(params) > 1 else {})
        return subscription

    def _unsubscribe(self, params: Sequence[Any]) -> bool:
        found = params[0] in self._subscriptions
        self._subscriptions.pop(params[0], None)
        return found

    def _put(self, due: float, text: str) -> None:
        heapq.heappush(self._waiting, (due, next(self._numbers), text))
        if len(self._waiting) > MOST_WAITING:
            self.cut("too slow")
        self._ring()

    def _ring(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _closing(self) -> None:
        while self.closed is None:
            await self._changed.wait()

    def _check(self) -> None:
        if self.closed is not None:
            raise Transient(f"the socket is closed: {self.closed}")
