"""An endpoint's answers over HTTP, status and headers included: a call, a batch, a header and logs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from actors import secrets
from actors.errors import NodeError
from actors.evm.block import Header
from actors.evm.endpoint import Endpoint
from tests.fuzz.documents import BLOCK, HEADER, page
from tests.fuzz.draw import Draw
from tests.fuzz.promise import SECRET, is_plain, keep
from tests.fuzz.targets.faults import STATUSES
from tests.fuzz.targets.jsonrpc import ERROR, body

URL = f"https://user:{SECRET}@node.example/v3/{SECRET}"
RETRIES = ("", "0", "-1", "nan", "inf", "1e308", "Wed, 21 Oct 99999999999 07:28:00 GMT", "soon")


class Replies:
    """Answers each request with what the bytes say; the ids are those that were asked, unless they are changed."""

    def __init__(self, draw: Draw) -> None:
        self._draw, self._id = draw, 0

    async def post(self, url: str, sent: bytes) -> tuple[int, Mapping[str, str], bytes]:
        draw, self._id = self._draw, self._id + 1
        status = 200 if draw.number(3) else draw.pick(STATUSES) or 200
        return status, {"retry-after": draw.pick(RETRIES)} if draw.flag() else {}, body(draw, self._honest(sent))

    def _honest(self, sent: bytes) -> Any:
        if sent.startswith(b"["):
            numbers = range(self._id, self._id + 2)
            self._id += 1
            return [{"id": number, "result": "0x1"} for number in numbers]
        if b"eth_chainId" in sent:
            return {"id": self._id, "result": "0x1"}
        if self._draw.number(7) == 1:
            return {"id": self._id, "error": ERROR}
        return {"id": self._id, "result": page() if b"eth_getLogs" in sent else BLOCK}


def target(data: bytes) -> None:
    secrets.clear()
    secrets.register_url(URL)
    trio.run(_ask, Draw(data))


async def _ask(draw: Draw) -> None:
    endpoint = Endpoint("https://node.example", URL, 0, 1, Replies(draw))
    found = await _asked(lambda: endpoint.header(10))
    keep(found is None or (isinstance(found, Header) and found.number == 10), "a header of another block")
    by_hash = await _asked(lambda: endpoint.header("0x" + HEADER.hash.hex()))
    keep(by_hash is None or by_hash.hash == HEADER.hash, "a header of another hash")
    slots = await _asked(lambda: endpoint.batch([("eth_call", []), ("eth_getBalance", [])]))
    keep(slots is None or len(slots) == 2, "a slot for each call")
    logs = await _asked(lambda: endpoint.logs({}))
    keep(logs is None or all(isinstance(log, dict) for log in logs), "a list of objects")
    await _asked(lambda: endpoint.header("latest"))
    keep(endpoint.last_head is None or 0 <= endpoint.last_head < 2**63, "a head that no bigint holds")


async def _asked(ask: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await ask()
    except NodeError as error:
        is_plain(str(error))
        return None


SEEDS = (b"\x01\x00\x00\x00" * 4, b"\x00\x06\x01\x06\x00", b"\x01\x00\x00\x00\x01\x00\x00\x03\x02\x00\x01", b"\x00\x04\x00\x01{\"error\":{\"code\":\"1\",\"message\":[]}}")
