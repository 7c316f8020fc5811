"""A process of the program inside a history: the real system over the simulated outside; it may be killed, frozen, and started again."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import trio
from trio.abc import Instrument
from trio.lowlevel import Task

from actors.config import Config
from actors.evm.ws import Wire
from actors.system import System
from tests.simulation.postgres import Connection, Host, Postgres
from tests.simulation.provider import Provider


class Way:
    """A process's way to the nodes."""

    def __init__(self, provider: Provider, host: Host) -> None:
        self._provider, self._host = provider, host

    async def post(self, url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """As `HttpClient.post`."""
        await self._host.pass_out()
        answer = await self._provider.post(url, body)
        await self._host.pass_out()
        return answer

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[Wire]:
        """As `ws.connect`."""
        await self._host.pass_out()
        async with self._provider.connect(url) as wire:
            yield _FrozenWire(wire, self._host)


class _FrozenWire:
    """A socket that nothing comes out of while the process stands still."""

    def __init__(self, wire: Wire, host: Host) -> None:
        self._wire, self._host = wire, host

    async def send_message(self, message: str) -> None:
        await self._host.pass_out()
        await self._wire.send_message(message)

    async def get_message(self) -> str | bytes:
        await self._host.pass_out()
        return await self._wire.get_message()

    async def ping(self) -> None:
        await self._host.pass_out()
        await self._wire.ping()


class Watched(System):
    """The system, which says when an actor crashes by itself."""

    on_crash: Callable[[str, str], object] = staticmethod(lambda actor, cause: None)

    def _count_restart(self, actor: str, cause: str) -> None:
        super()._count_restart(actor, cause)
        self.on_crash(actor, cause)


class Process:
    """One copy of the program, started again whenever it was killed."""

    def __init__(
        self, name: str, config: Config, provider: Provider, postgres: Postgres, sweep: bool, on_crash: Callable[[str, str], object]
    ) -> None:
        self._name, self._config, self._provider, self._postgres = name, config, provider, postgres
        self._sweep, self._on_crash = sweep, on_crash
        self._scope = trio.CancelScope()
        self.stop = trio.Event()
        self.host = Host(name)
        self.system: Watched | None = None
        self.started = self.crashes = 0

    async def live(self, rng: random.Random) -> None:
        """Until a clean stop."""
        while not self.stop.is_set():
            self.started += 1
            self.host = Host(f"{self._name}{self.started}")
            with trio.CancelScope() as self._scope:
                await self._run(self.host)
            self.host.dead, self.system = True, None
            if self._scope.cancelled_caught:
                await trio.sleep(rng.uniform(0.1, 5))

    async def _run(self, host: Host) -> None:
        way = Way(self._provider, host)
        self.system = Watched(
            self._config, way, way.connect, lambda url, name: Connection(self._postgres, host, name), holder=host.name
        )
        self.system.on_crash = self._on_crash
        specs = [spec for spec in self.system.service() if self._sweep or not spec.name.startswith("sweeper")]
        await self.system.run(specs, self.stop.wait)

    def crash(self) -> None:
        """As SIGKILL: all is lost but what Postgres has."""
        self.crashes += 1
        self.host.dead = True
        self.host.thaw()
        self._scope.cancel()

    def actors(self) -> list[str]:
        """Whom one could kill."""
        return [] if self.system is None else list(self.system.supervisor.children)

    def kill(self, actor: str) -> bool:
        """Kill one actor where it stands."""
        return self.system is not None and self.system.kill(actor)


class Reaper(Instrument):
    """Strikes between two steps of any tasks, when all of them stand at some await: every so many steps."""

    def __init__(self, rng: random.Random, every_steps: int, strike: Callable[[], object]) -> None:
        self._rng, self._every, self._strike = rng, every_steps, strike
        self._left = self._draw()
        self.steps = 0
        self.on = True

    def _draw(self) -> int:
        return 1 + int(self._rng.expovariate(1 / self._every))

    def after_task_step(self, task: Task) -> None:
        """Count; strike when it is time."""
        self.steps += 1
        self._left -= 1
        if self._left <= 0 and self.on:
            self._left = self._draw()
            self._strike()
