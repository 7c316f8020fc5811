"""What the doctor makes of an endpoint: whatever is answered, each measure ends, and what is found can be shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import trio
import trio.testing

from actors.budget.prices import Prices
from actors.config import ChainConfig
from actors.doctor.node import measure, shown
from actors.doctor.node.advice import Chain, advise
from actors.doctor.node.measured import numbers
from actors.doctor.node.probe import Probe
from actors.doctor.node.search import Search, Verdict, numbers_in
from tests.fuzz.documents import BLOCK, page
from tests.fuzz.draw import Draw, encoded
from tests.fuzz.promise import keep
from tests.fuzz.targets.endpoint import RETRIES
from tests.fuzz.targets.faults import WORDS

URL = "https://node.example"
CONFIG = ChainConfig("ethereum", 1, (URL,))
MOST_CALLS = 1000


class Node:
    """Answers by a few replies that the bytes choose for each method, over and over; but some answers are one of a kind."""

    def __init__(self, draw: Draw) -> None:
        self._draw, self._usual, self.calls = draw, dict[str, Any](), 0

    async def post(self, url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        self.calls += 1
        await trio.lowlevel.checkpoint()
        asked = json.loads(body)
        if isinstance(asked, list):
            return 200, {}, encoded([self._answer(one) for one in asked])
        if self._draw.number(40) == 40:
            return self._draw.pick((400, 413, 429, 500)), {"retry-after": self._draw.pick(RETRIES)}, self._draw.blob(20)
        return 200, {}, encoded(self._answer(asked))

    def _answer(self, asked: Any) -> Any:
        method = asked["method"]
        if method not in self._usual:
            self._usual[method] = self._reply(method)
        return {"id": asked["id"], **(self._usual[method] if self._draw.number(20) < 20 else self._reply(method))}

    def _reply(self, method: str) -> dict[str, Any]:
        if self._draw.number(5) == 5:
            return {"error": {"code": -32000, "message": "".join(self._draw.pick(WORDS) for _ in range(self._draw.number(4)))}}
        honest: Any = "0x1" if method == "eth_chainId" else page() if method == "eth_getLogs" else "0x10"
        return {"result": self._draw.changed(BLOCK if method.startswith("eth_getBlockBy") else honest)}


def target(data: bytes) -> None:
    draw = Draw(data)
    if draw.flag():
        _search(draw)
    else:
        trio.run(_measure, draw, clock=trio.testing.MockClock(autojump_threshold=0))


async def _measure(draw: Draw) -> None:
    node = Node(draw)
    probe = Probe(URL, URL, CONFIG, Prices(), node)
    await measure.stands(probe)
    if not probe.found.error:
        await measure.serves(probe)
    if not probe.found.error:
        await measure.limits(probe, ())
    keep(node.calls < MOST_CALLS, f"{node.calls} calls")
    json.dumps(numbers(probe.found))
    told = [*shown.lines(probe.found), *(finding.text for finding in advise(Chain(CONFIG, [probe.found])))]
    keep(all(len(line) < 2000 for line in told), f"a line of {max(map(len, told))} characters")


def _search(draw: Draw) -> None:
    """A search ends, whatever is answered, and its bracket never opens again."""
    search, calls, before = Search(1 + draw.number(2**20), 1 + draw.number(5)), 0, (0, 2**21)
    while (size := search.next()) is not None:
        said = draw.pick(WORDS)[:300]  # as an error holds them
        numbers_in(said)
        search.answered(size, draw.pick(tuple(Verdict)), said)
        good, bad = search.bracket
        keep(good >= before[0] and bad <= before[1] and (calls := calls + 1) <= 100, f"from {before} to {search.bracket} after {calls} calls")
        before = search.bracket
    found = search.found()
    keep(found.refused is None or found.accepted < found.refused, f"{found}")


SEEDS = (b"\x00", b"\x00\x00\x01\x01\x00\x01\x04", b"\x01\x05\x00\x00\x01\x02\x00\x01\x01", b"\x00\x01\x04\x00\x03\x01" * 9)
