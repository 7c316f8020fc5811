"""A simulated Postgres and the processes that use it: units of work over the store's double, which take time, fail, and lose their answers.

What holds of `store.postgres.Database` holds here: a unit that was cancelled was rolled back, one whose answer is lost may have committed.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeVar

import trio

from actors.errors import StoreDown
from tests.simulation.tables import Tables
from tests.simulation.trace import Trace

T = TypeVar("T")
SLOWEST_SECS = 20.0


class Postgres:
    """The one server of a history, and what is wrong with it."""

    def __init__(self, tables: Tables, rng: random.Random, trace: Trace) -> None:
        self.tables, self.rng, self.trace = tables, rng, trace
        self.struck: Counter[str] = Counter()
        self.on_unit: Callable[[Callable[..., Any], tuple[Any, ...]], object] = lambda fn, args: None
        self.clear()

    def clear(self) -> None:
        """End all faults."""
        self.down = False
        self.drops = self.loses_answers = self.slow = 0.0

    def strikes(self, name: str) -> bool:
        """Whether a fault strikes this unit."""
        rate = float(getattr(self, name))
        if rate <= 0 or (rate < 1 and self.rng.random() >= rate):
            return False
        self.struck[name] += 1
        return True


class Host:
    """What a process runs on: it may freeze, and it may die, and then nothing of it reaches the outside any more."""

    def __init__(self, name: str) -> None:
        self.name, self.dead = name, False
        self._thawed = trio.Event()
        self._thawed.set()

    def freeze(self) -> None:
        """As SIGSTOP."""
        self._thawed = trio.Event()

    def thaw(self) -> None:
        """As SIGCONT."""
        self._thawed.set()

    @property
    def frozen(self) -> bool:
        """Whether it stands still."""
        return not self._thawed.is_set()

    async def pass_out(self) -> None:
        """What every way out of the process waits for."""
        if self.dead:
            await trio.sleep_forever()
        await self._thawed.wait()


class Connection:
    """One connection of one process, in place of `store.postgres.Database`."""

    def __init__(self, postgres: Postgres, host: Host, name: str) -> None:
        self._postgres, self._host, self._name = postgres, host, name
        self._lock = trio.Lock()

    async def run(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a unit. Raises StoreDown, or what the unit raises."""
        async with self._lock:
            await self._host.pass_out()
            await self._travel()
            await self._host.pass_out()
            if self._postgres.down or self._postgres.strikes("drops"):
                self._note(fn, "down")
                raise StoreDown("database: connection refused")
            result = self._commit(fn, args)
            lost = self._postgres.strikes("loses_answers")
            with trio.CancelScope(shield=True):
                await trio.sleep(self._postgres.rng.uniform(0, 0.003))
            if lost:
                self._note(fn, "answer lost")
                raise StoreDown("database: server closed the connection unexpectedly")
            return result

    async def _travel(self) -> None:
        rng = self._postgres.rng
        await trio.sleep(rng.uniform(0, SLOWEST_SECS) if self._postgres.strikes("slow") else rng.uniform(0, 0.005))

    def _commit(self, fn: Callable[..., T], args: tuple[Any, ...]) -> T:
        result: T = self._postgres.tables.run(fn, *args)
        self._postgres.on_unit(fn, args)
        self._note(fn, result)
        return result

    def _note(self, fn: Callable[..., Any], what: object) -> None:
        self._postgres.trace.note("unit", self._host.name, fn.__name__, what)

    async def aclose(self) -> None:
        """Nothing is left open."""
        await trio.lowlevel.checkpoint()
