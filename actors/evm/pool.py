"""A chain's endpoints: prefers the first healthy one.

An endpoint that failed is left for a while, doubling, and comes back; one on another chain is left for good. Errors that are our own
question's fault (too large, permanent) are not held against it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Sequence

import trio

from actors.errors import ConfigError, NodeBehind, NodeError, Permanent, Throttled, TooLarge, WrongChain
from actors.evm.endpoint import Endpoint, Http, public_name
from actors.evm.meter import Meter
from actors.progress import beat

DOWN_SECS = (1.0, 30.0)
BEHIND_SECS = 0.5
LONGEST_PAUSE_SECS = 300.0


def names_of(urls: Sequence[str]) -> list[str]:
    """Public names that tell the URLs apart."""
    names = [public_name(url) for url in urls]
    return [name if names.count(name) == 1 else f"{name}#{index + 1}" for index, name in enumerate(names)]


class Pool:
    """A chain's endpoints in the operator's order of preference."""

    def __init__(self, urls: Sequence[str], chain_id: int, client: Http, now: Callable[[], float]) -> None:
        self.name = ""
        self._chain_id, self._now = chain_id, now
        self.endpoints = [Endpoint(n, url, i, chain_id, client) for i, (n, url) in enumerate(zip(names_of(urls), urls, strict=True))]

    @property
    def on_request(self) -> Callable[[str, str], object]:
        """Called with the endpoint's name and the method, for each request."""
        return self.endpoints[0].on_request

    @on_request.setter
    def on_request(self, hook: Callable[[str, str], object]) -> None:
        for endpoint in self.endpoints:
            endpoint.on_request = hook

    def timed_by(self, hook: Callable[[str, float], object]) -> None:
        """Called with the endpoint's name and the seconds that it took, for each answer."""
        for endpoint in self.endpoints:
            endpoint.on_answer = hook

    def metered_by(self, meter: Meter) -> None:
        """Each request of each endpoint passes it."""
        for endpoint in self.endpoints:
            endpoint.meter = meter

    def _up(self, exclude: Container[Endpoint] = ()) -> list[Endpoint]:
        now = self._now()
        return [e for e in self.endpoints if e.chain_ok is not False and e.down_until <= now and e not in exclude]

    def healthy(self) -> int:
        """How many endpoints are up."""
        return len(self._up())

    async def pick(self, exclude: Container[Endpoint] = ()) -> Endpoint:
        """The first healthy endpoint; waits until there is one."""
        while not (up := self._up(exclude) or self._up()):
            beat()
            usable = [e.down_until for e in self.endpoints if e.chain_ok is not False]
            await trio.sleep(max(0.01, min(usable, default=self._now() + 1.0) - self._now()))
        await trio.lowlevel.checkpoint()
        return up[0]

    def preferred(self) -> Endpoint:
        """Who `pick` would name now, or the first where none is up."""
        return next(iter(self._up()), self.endpoints[0])

    def others(self, endpoint: Endpoint) -> list[Endpoint]:
        """The other healthy endpoints, preferred first."""
        return self._up((endpoint,))

    def left(self) -> list[Endpoint]:
        """Those that were left for a while, preferred first."""
        return [e for e in self.endpoints if e.chain_ok is not False and e.down_until > self._now()]

    async def turn(self, after: int, *but: Container[int]) -> Endpoint:
        """The next healthy endpoint in rotation after the one of that index; waits until there is one. `but`: none of these indexes, or else
        none of those, if that leaves any.
        """
        up = await self._wanted(but)
        return next((endpoint for endpoint in up if endpoint.index > after), up[0])

    async def stay(self, index: int, *but: Container[int]) -> Endpoint:
        """The endpoint of that index while it is healthy, else the first that is; `but` as for `turn`."""
        up = await self._wanted(but)
        return next((endpoint for endpoint in up if endpoint.index == index), up[0])

    async def _wanted(self, but: Sequence[Container[int]]) -> Sequence[Endpoint]:
        first = await self.pick()
        wanted = ([endpoint for endpoint in self._up() if endpoint.index not in without] for without in (*but, ()))
        return next((up for up in wanted if up), [first])

    def is_alone(self, endpoint: Endpoint) -> bool:
        """Whether there is no other one, not even one that is left for a while."""
        return all(other is endpoint or other.chain_ok is False for other in self.endpoints)

    def failed(self, endpoint: Endpoint, error: NodeError) -> None:
        """Leave an endpoint for a while, unless the question was at fault."""
        if isinstance(error, TooLarge | Permanent):
            return
        endpoint.last_error = str(error)
        endpoint.failures += 1
        endpoint.failed_at = self._now()
        first, most = DOWN_SECS
        delay = min(most, first * 2 ** min(endpoint.failures - 1, 10)) * random.uniform(0.75, 1.0)
        if isinstance(error, Throttled) and error.retry_after_secs is not None:
            # Zero would be no pause at all, and a date in a year no endpoint at all.
            delay = min(LONGEST_PAUSE_SECS, max(delay, error.retry_after_secs))
        elif isinstance(error, NodeBehind):
            delay = BEHIND_SECS
        endpoint.down_until = self._now() + delay

    def ok(self, endpoint: Endpoint) -> None:
        """It answered well."""
        endpoint.failures, endpoint.last_error = 0, None

    async def check_chain(self) -> None:
        """Ask all which chain they are on. Raises ConfigError where every one is on another."""
        wrong = 0
        for endpoint in self.endpoints:
            try:
                await endpoint.check_chain()
            except WrongChain:
                wrong += 1
            except NodeError as error:
                self.failed(endpoint, error)
        if wrong == len(self.endpoints):
            raise ConfigError(f"chain {self.name}: chain_id: no endpoint of `http` is on chain {self._chain_id}")
