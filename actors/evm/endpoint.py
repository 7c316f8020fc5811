"""One URL of a node: asks it, and holds what is known of it.

No name or error of an endpoint holds more of its URL than scheme and host.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urlsplit

import trio

from actors.errors import BadAnswer, NodeBehind, NodeError, Permanent, TooLarge, WrongChain
from actors.evm import jsonrpc
from actors.evm.block import Header
from actors.evm.faults import classify
from actors.evm.meter import Free, Meter, note_refusals, noting_refusals
from actors.progress import beat

LARGE_BODY = 1_000_000


class Http(Protocol):
    """What carries a request to a node: status, headers and body of the answer. Bounded in time and size; raises Transient or BadAnswer."""

    async def post(self, url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]: ...


def public_name(url: str) -> str:
    """Scheme and host, nothing that could be a key."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or '?'}" + (f":{parts.port}" if parts.port else "")


class Endpoint:
    """One URL of a node, and what is known of it."""

    def __init__(self, name: str, url: str, index: int, chain_id: int, client: Http) -> None:
        self.name, self.url, self.index = name, url, index
        self._chain_id, self._client = chain_id, client
        self._ids = itertools.count(1)
        self.hash_pins: bool | None = None
        self.number_from_arbsys = self.probed = False
        self.rungs: tuple[str, ...] = ()
        self.batches = True
        self.chain_ok: bool | None = None
        self.last_head: int | None = None
        self.last_error: str | None = None
        self.latency_secs: float | None = None
        self.down_until = self.answered_at = self.failed_at = float("-inf")
        self.failures = self.requests = 0
        self.on_request: Callable[[str, str], object] = lambda name, method: None
        self.on_answer: Callable[[str, float], object] = lambda name, secs: None
        self.meter: Meter = Free()

    async def call(self, method: str, params: Sequence[Any]) -> Any:
        """One call's result. Raises a NodeError; WrongChain where the endpoint turns out to be on another chain."""
        if method != "eth_chainId":
            await self.check_chain()
        return await self._call(method, params)

    async def check_chain(self) -> None:
        """Ask once which chain this is. Raises WrongChain, or the NodeError of the asking."""
        if self.chain_ok is None:
            self.chain_ok = await self.chain_id() == self._chain_id
        if not self.chain_ok:
            raise WrongChain(f"is not on chain {self._chain_id}")

    async def chain_id(self) -> int:
        """Which chain it says that it is on. Raises a NodeError."""
        return jsonrpc.chain_id_of(await self._call("eth_chainId", []))

    async def _call(self, method: str, params: Sequence[Any]) -> Any:
        number = next(self._ids)
        await self._pay([method])
        with noting_refusals(self.meter):
            answer = await self._post(jsonrpc.encode(jsonrpc.request(number, method, params)), method)
            return jsonrpc.result(answer, number, method)

    async def raw(self, body: bytes, methods: Sequence[str]) -> Any:
        """The decoded answer to a body that holds calls of these methods, whatever its form. Raises a NodeError."""
        await self._pay(methods)
        with noting_refusals(self.meter):
            return await self._post(body, methods[0])

    async def batch(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Results in order; a failing item is a NodeError in its slot. A node that takes no batches is asked one by one."""
        await self.check_chain()
        found: list[Any] = []
        for at in range(0, len(calls), jsonrpc.BATCH_AT_ONCE):
            found += await self._batch(calls[at : at + jsonrpc.BATCH_AT_ONCE])
        return found

    async def _batch(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        if self.batches and len(calls) > 1:
            numbers = [next(self._ids) for _ in calls]
            methods = [method for method, _ in calls]
            await self._pay(methods)
            items = [jsonrpc.request(n, method, params) for n, (method, params) in zip(numbers, calls, strict=True)]
            try:
                with noting_refusals(self.meter):
                    found = jsonrpc.results(await self._post(jsonrpc.encode(items), "batch"), numbers, methods)
                note_refusals(self.meter, found)
                return found
            except (TooLarge, Permanent, BadAnswer):
                self.batches = False
        return [await self._single(method, params) for method, params in calls]

    async def _single(self, method: str, params: list[Any]) -> Any:
        try:
            return await self._call(method, params)
        except NodeError as error:
            return error

    async def _post(self, body: bytes, method: str) -> Any:
        began = trio.current_time()
        status, headers, answer = await self._client.post(self.url, body)
        self.latency_secs = trio.current_time() - began
        self.on_answer(self.name, self.latency_secs)
        beat()
        if status >= 400:
            raise self._refusal(status, _retry_after(headers.get("retry-after")), answer, method)
        decoded = jsonrpc.decode(answer)
        self.answered_at = trio.current_time()
        if len(body) > LARGE_BODY and isinstance(decoded, dict) and decoded.get("id") is None and decoded.get("error"):
            raise TooLarge(f"{method}: a request of {len(body)} bytes was refused")
        return decoded

    def _refusal(self, status: int, retry_after: float | None, answer: bytes, method: str) -> NodeError:
        """Some providers answer a JSON-RPC error with a status of 4xx: its own words say more than the status."""
        try:
            error = jsonrpc.decode(answer)["error"]
            code, message = int(error.get("code", 0)), jsonrpc.words_of(error)
        except (BadAnswer, KeyError, TypeError, ValueError, AttributeError, IndexError):
            code, message = None, f"status {status}"
        return classify(code, message, None, status, retry_after, method)

    async def _pay(self, methods: Sequence[str]) -> None:
        await self.meter.pay(methods)
        for method in methods:
            self.requests += 1
            self.on_request(self.name, method)

    async def header(self, at: int | str) -> Header | None:
        """The header at a number, `latest`, or a hash `0x…`; None where the node has none."""
        by_hash = isinstance(at, str) and at.startswith("0x")
        where = hex(at) if isinstance(at, int) else at
        try:
            found = await self.call("eth_getBlockByHash" if by_hash else "eth_getBlockByNumber", [where, False])
        except NodeBehind:
            return None
        if found is None:
            return None
        header = Header.from_json(found)
        if isinstance(at, int) and header.number != at:
            raise BadAnswer(f"answered block {header.number} instead of {at}")
        if by_hash and "0x" + header.hash.hex() != at:
            raise BadAnswer(f"answered another block {header.number} than that of the hash")
        if at == "latest":
            self.last_head = header.number
        return header

    async def logs(self, where: dict[str, Any]) -> list[dict[str, Any]]:
        """`eth_getLogs`. Raises BadAnswer unless it is a list of objects."""
        found = await self.call("eth_getLogs", [where])
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise BadAnswer("eth_getLogs: not a list of logs")
        return found


def _retry_after(value: str | None) -> float | None:
    """Seconds, from either form that the header has."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        at = parsedate_to_datetime(value)
        return max(0.0, (at - datetime.now(at.tzinfo)).total_seconds())
    except (ValueError, OverflowError):  # a year of twenty digits
        return None
