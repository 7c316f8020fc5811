"""The whole on one page: which actors there are, which mailboxes join them, and what each is handed.

server ← everything · bookkeeper ← what calls cost · chaos
writer ← readings ← batcher (a chain) ← touches ← sweeper (an asset), ledger, subscriber (a chain)
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import trio

from actors import auditor, bookkeeper, chaos, server
from actors.batcher import batcher_of
from actors.budget.gate import Budget
from actors.chain_ports import ports_of
from actors.child import ChildSpec
from actors.config import AssetConfig, ChainConfig, Config
from actors.errand import ErrandBook
from actors.errors import ConfigError, StoreDown
from actors.evm import ws
from actors.evm.endpoint import Http
from actors.freshness import freshness_of
from actors.ledger import Ledger, LedgerPorts
from actors.ledger_chains import LedgerChains
from actors.log import get_logger
from actors.mailbox import Lane, Mailbox
from actors.messages import Outcome, PageReading
from actors.metrics import Metrics
from actors.ports import ChainPorts, Store, Units
from actors.role import new_holder, while_holding
from actors.store import leases, schema
from actors.store.postgres import Database
from actors.subscriber import Subscriber, stand_by
from actors.supervisor import GaveUp, Supervisor, first_of
from actors.sweeper import Sweeper
from actors.timers import Timers
from actors.view import Restart, ServiceView
from actors.writer import Writer

READING_MESSAGES = 32
WAITING_PAGES = 1
FREE_SECS = 1.0
log = get_logger("system")


@dataclass
class System:
    """One process's actors and what outlives them. `client`, `connect` and `database` are its ways to nodes and Postgres."""

    config: Config
    client: Http
    connect: ws.Connect = ws.connect
    database: Callable[[str, str], Units] = Database
    metrics: Metrics = field(default_factory=Metrics)
    book: ErrandBook = field(default_factory=ErrandBook)
    readings: Mailbox[tuple[Outcome, ...]] = field(default_factory=lambda: Mailbox("readings", READING_MESSAGES))
    pages: tuple[Lane[PageReading], ...] = field(default_factory=lambda: (Lane(WAITING_PAGES), Lane(WAITING_PAGES)))
    holder: str = field(default_factory=new_holder)
    timers: Timers = field(default_factory=Timers)

    def __post_init__(self) -> None:
        self.view = ServiceView(chains={}, assets={})
        names = ("following", "sweeping", "writing", "writing-sweep", "writing-pages", "ledger", "roles", "spending", "freshness", "auditing")
        self.databases = {name: self.database(self.config.database.url, name) for name in names}
        self.stores = {name: Store(database, self.view) for name, database in self.databases.items()}
        self.budgets: list[Budget] = []
        self.chains: dict[str, ChainPorts] = {}
        for chain in self.config.chains:
            self._chain(chain)
        self.ledger_chains = LedgerChains(dict(self.chains), self.client, self._chain, self._start_batcher, self._leave_chain)
        self.supervisor = Supervisor([], self.config.supervisor)
        self.view.actors = self._actors
        self.view.mailboxes = self._mailboxes
        self.view.chaos_enabled = self.config.chaos.enabled
        self.metrics.expect(self.chains, self.view.assets)

    def _chain(self, chain: ChainConfig) -> ChainPorts:
        ports = self.chains[chain.name] = ports_of(chain, self)
        self.budgets.append(ports.budget)
        return ports

    def _actors(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "state": child.state, "restarts": child.restarts, "last_error": child.last_error}
            for name, child in self.supervisor.children.items()
        ]

    def _mailboxes(self) -> list[dict[str, Any]]:
        boxes: list[Mailbox[Any]] = [self.readings, *(ports.touches for ports in self.chains.values())]
        return [{"name": box.name, "live": box.live.waiting(), "sweep": box.sweep.waiting()} for box in boxes]

    def specs(self, sources: list[ChildSpec]) -> list[ChildSpec]:
        """The children in start order: consumers first, then `sources`, whatever makes touches."""
        specs = [ChildSpec("server", self._serve)] if self.config.server.bind else []
        # Stopped last, when nobody spends any more.
        drained = trio.Event()
        keep = partial(bookkeeper.run, self.budgets, self.stores["spending"], drained)
        specs.append(ChildSpec("bookkeeper", keep, drain=drained.set))
        specs.append(ChildSpec("writer", self._write, drain=self._drain_writer))
        return specs + [batcher_of(ports) for ports in self.chains.values()] + sources

    def service(self) -> list[ChildSpec]:
        """All actors of `trueup run`."""
        sources = []
        for ports in self.chains.values():
            for name, asset in ports.assets.items():
                sources.append(ChildSpec(f"sweeper:{name}", partial(self._sweep, ports, asset)))
        if self.config.ledger.enabled:
            sources.append(ChildSpec("ledger", self._keep_ledger))
        for name, ports in self.chains.items():
            sources.append(ChildSpec(f"subscriber:{name}", partial(self._subscribe, ports)))
        sources += freshness_of(self.chains.values(), self.stores["freshness"])
        sources += auditor.specs(lambda: self.config, self.chains, self.stores, self.holder)
        if self.config.chaos.enabled and self.config.chaos.kill_every_secs:
            sources.append(ChildSpec("chaos", self._chaos))
        return self.specs(sources)

    async def _serve(self, *, task_status: trio.TaskStatus[str]) -> None:
        await server.run(self.config.server, self.config.chaos, self.view, self.metrics, self.kill, task_status=task_status)

    def kill(self, name: str) -> bool:
        """Kill an actor by name."""
        return self.supervisor.kill(name)

    def _drain_writer(self) -> None:
        self.readings.close()
        for lane in self.pages:
            lane.close()

    async def _write(self, *, task_status: trio.TaskStatus[None]) -> None:
        stores = {True: self.stores["writing"], False: self.stores["writing-sweep"]}
        pages = list(zip(self.pages, (self.stores["writing-sweep"], self.stores["writing-pages"]), strict=True))
        await Writer(self.readings, pages, stores, self.chains, self.book, self.metrics).run(task_status=task_status)

    async def _sweep(self, ports: ChainPorts, asset: AssetConfig, *, task_status: trio.TaskStatus[None]) -> None:
        sweeper = Sweeper(ports, asset)
        task_status.started()
        await while_holding(self.stores["roles"], f"sweeper:{asset.table}", self.holder, sweeper.run, sweeper.stand_by)

    async def _subscribe(self, ports: ChainPorts, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await while_holding(
            self.stores["roles"],
            f"subscriber:{ports.config.name}",
            self.holder,
            lambda: Subscriber(ports).run(),
            partial(stand_by, ports),
        )

    async def _keep_ledger(self, *, task_status: trio.TaskStatus[None]) -> None:
        store, chains = self.stores["ledger"], self.ledger_chains
        parts = (self.holder, store, self.readings, chains, self.book, self.view, self.metrics, self.timers)
        await Ledger(LedgerPorts(lambda: self.config.ledger, *parts)).run(task_status=task_status)

    async def _start_batcher(self, ports: ChainPorts) -> None:
        await self.supervisor.add(batcher_of(ports), after="writer")

    async def _leave_chain(self, ports: ChainPorts) -> None:
        """A chain that the database names no more. What its calls have cost is booked once more; killed in between, it is done again."""
        await self.supervisor.remove(batcher_of(ports).name, self.config.supervisor.grace_secs / 2)
        await bookkeeper.book(ports.budget, self.stores["ledger"])
        if ports.budget in self.budgets:
            self.budgets.remove(ports.budget)
        for held in (self.chains, self.view.chains):
            held.pop(ports.config.name, None)

    async def _chaos(self, *, task_status: trio.TaskStatus[None]) -> None:
        await chaos.run(self.supervisor, self.timers, lambda: self.config.chaos.kill_every_secs, random.Random(), task_status=task_status)

    async def check(self) -> None:
        """Refuse what cannot work, before anything is written: endpoints on another chain, Postgres away, tables without the columns."""
        for ports in self.chains.values():
            await ports.pool.check_chain()
        reason = ""
        with trio.move_on_after(self.config.supervisor.grace_secs):
            while True:
                try:
                    await self.databases["following"].run(schema.check, self.config)
                except StoreDown as error:
                    reason = str(error)
                    await trio.sleep(0.2)
                else:
                    return
        raise ConfigError(f"database.url: Postgres does not answer: {reason or 'timed out'}")

    async def run(
        self,
        specs: list[ChildSpec],
        shutdown: Callable[[], Awaitable[object]],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Run the actors until `shutdown` returns, then stop them within the grace. Raises GaveUp."""
        self.supervisor = Supervisor(specs, self.config.supervisor, self._count_restart)
        fault: BaseException | None = None
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.supervisor.run)
                nursery.start_soon(self._stop_after, shutdown, nursery.cancel_scope)
                task_status.started()
        except* (GaveUp, ConfigError) as group:
            fault = first_of(group)
        finally:
            await self._close()  # noqa: ASYNC102  # shielded and bounded inside
        if fault is not None:
            raise fault

    async def _stop_after(self, shutdown: Callable[[], Awaitable[object]], scope: trio.CancelScope) -> None:
        await shutdown()
        log.info("stops")
        await self.supervisor.stop(self.config.supervisor.grace_secs)
        await self._free_roles()
        scope.cancel()

    async def _free_roles(self) -> None:
        """Another copy need not wait for the leases' end; while Postgres is away they end by themselves."""
        with trio.move_on_after(FREE_SECS):
            try:
                await self.databases["roles"].run(leases.free, self.holder)
            except StoreDown:
                return

    async def _close(self) -> None:
        with trio.move_on_after(2, shield=True):
            for database in self.databases.values():
                await database.aclose()

    def _count_restart(self, actor: str, cause: str) -> None:
        self.metrics.actor_restarts.labels(actor, cause).inc()
        self.view.restarts.append(Restart(trio.current_time(), actor, cause))
