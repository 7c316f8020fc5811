"""An endpoint that is being measured: counts what that costs, keeps to bounds of time and patience, and does the asking for a search."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from actors.budget.prices import Prices
from actors.config import ChainConfig
from actors.doctor.node.measured import Measured
from actors.doctor.node.search import Found, Search, Verdict
from actors.errors import NodeError, Throttled, TooLarge
from actors.evm.endpoint import Endpoint, Http
from actors.evm.reader import Reader

LONGEST_SECS = 150.0
PAUSE_SECS = (1.0, 10.0)  # after a 429: what is waited where it does not say, and at most
PATIENCE = 2  # this many 429s one after another end the searches: no hammering
# A refusal for its size in a rate limiter's words or under its code; a 429 for the rate says none of these.
OF_SIZE = re.compile(r"batch|range|results|logs|size|too large", re.IGNORECASE)
NOBODY = "0x" + "00" * 19 + "ee"
Progress = Callable[[str, str, int], object]


def silent(endpoint: str, what: str, calls: int) -> None:
    """Shows nothing."""


class Counted:
    """What carries requests, with the bytes that went through it."""

    def __init__(self, client: Http) -> None:
        self._client = client
        self.sent = self.received = 0

    async def post(self, url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """See `Http`."""
        self.sent += len(body)
        status, headers, answer = await self._client.post(url, body)
        self.received += len(answer)
        return status, headers, answer


class Paced:
    """The config's own limit is kept while measuring as well."""

    def __init__(self, prices: Prices, units_per_sec: int) -> None:
        self._prices, self._units_per_sec = prices, units_per_sec

    async def pay(self, methods: Any) -> None:
        """Wait as long as these cost."""
        if self._units_per_sec:
            await trio.sleep(self._prices.total(methods) / self._units_per_sec)

    def refused(self, retry_after_secs: float | None) -> None:
        """The search hears of it by itself."""


class Probe:
    """`found` collects what was measured. `over`: why no more searches are made, "" while they are."""

    def __init__(self, name: str, url: str, chain: ChainConfig, prices: Prices, client: Http, progress: Progress = silent) -> None:
        self._http, self._progress, self._prices = Counted(client), progress, prices
        self.chain, self.reader = chain, Reader(chain.chain_id, chain.multicall3)
        self.endpoint = Endpoint(name, url, 0, chain.chain_id, self._http)
        self.endpoint.on_request = self._count
        self.endpoint.meter = Paced(prices, chain.compute_units_per_sec)
        self.found = Measured(self.endpoint.name)
        self._began = trio.current_time()
        self._throttled = 0

    @property
    def over(self) -> str:
        """Rate limits, and time."""
        if self.found.rate_limited:
            return self.found.rate_limited
        return f"not measured further after {LONGEST_SECS:.0f} s" if trio.current_time() - self._began > LONGEST_SECS else ""

    @property
    def head(self) -> int:
        """The head that all measures begin at. Only once it is known."""
        assert self.found.head is not None
        return self.found.head

    @property
    def settled(self) -> int:
        """Two blocks behind it: every replica of a load balancer has that by now."""
        return max(0, self.head - 2)

    @property
    def sent_bytes(self) -> int:
        """How much was sent so far."""
        return self._http.sent

    def show(self, what: str) -> None:
        """What is measured now."""
        self._progress(self.found.endpoint, what, self.found.calls)

    def spent(self) -> None:
        """Put down what it took so far."""
        self.found.sent_bytes, self.found.received_bytes = self._http.sent, self._http.received
        self.found.secs = round(trio.current_time() - self._began, 3)

    def _count(self, name: str, method: str) -> None:
        self.found.calls += 1
        self.found.units += self._prices.of(method)

    async def search(
        self,
        what: str,
        search: Search,
        ask: Callable[[int], Awaitable[object]],
        refusals: tuple[type[NodeError], ...] = (TooLarge,),
        enough: Callable[[], str] = str,
    ) -> Found:
        """Search by asking; `ask` raises a NodeError, of `refusals` where the size is at fault; `enough`: why to end it, "" while not."""
        while not (self.over or enough()) and (size := search.next()) is not None:
            self.show(what)
            verdict, said = await self.asked(search, ask, size, refusals)
            search.answered(size, verdict, said)
        if search.next() is not None:
            search.stop(self.over or enough())
        return search.found()

    async def asked(
        self, search: Search, ask: Callable[[int], Awaitable[object]], size: int, refusals: tuple[type[NodeError], ...] = (TooLarge,)
    ) -> tuple[Verdict, str]:
        """How one question of a search was answered."""
        try:
            await ask(size)
        except Throttled as error:
            return await self._wait(error)
        except NodeError as error:
            self._throttled = 0
            if isinstance(error, TooLarge) and error.hint is not None:
                search.hint([error.hint])
            return Verdict.REFUSED if isinstance(error, refusals) else Verdict.OTHER, str(error)
        self._throttled = 0
        return Verdict.OK, ""

    async def _wait(self, error: Throttled) -> tuple[Verdict, str]:
        if OF_SIZE.search(str(error).partition(":")[2]):
            return Verdict.OTHER, str(error)
        self._throttled += 1
        if self._throttled >= PATIENCE:
            self.found.rate_limited = f"rate limited after {self.found.calls} calls: {error}"
        else:
            usual, most = PAUSE_SECS
            await trio.sleep(min(most, error.retry_after_secs if error.retry_after_secs is not None else usual))
        return Verdict.LATER, str(error)
