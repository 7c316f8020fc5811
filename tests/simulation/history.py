"""One history: a seed's chain, nodes, Postgres and processes, a storm, the calm after it, and the verdict."""

from __future__ import annotations

import json
import logging
import random
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import trio
import trio.testing
from trio._core import _run as trio_run

from actors import second_asking
from actors.config import Config, load
from actors.store import checkpoint
from tests.simulation.chain import FAILURES, TOKEN, Chain, Change, config_toml, random_changes, wallet_of
from tests.simulation.judge import TABLE, Judge
from tests.simulation.postgres import Postgres
from tests.simulation.process import Process, Reaper
from tests.simulation.provider import Provider
from tests.simulation.tables import PLACEHOLDER, Row, Tables
from tests.simulation.tables_contents import Asset, Entry
from tests.simulation.trace import Lines, Trace
from tests.simulation.weather import Weather

PATIENCE_SECS = 1500.0
BASE = """
[database]
url = "postgresql://simulated"
[server]
bind = ""
[sweeper]
interval_secs = 5
batch_size = 7
[supervisor]
max_restarts = 1000000
backoff_initial_secs = 0.05
"""
LEDGER = """
[ledger]
enabled = true
address_from = ["user_wallet_addresses"]
interval_secs = 3
batch_size = 8
lease_secs = 9
"""
AUDIT = """
[audit]
rows_a_minute = 200
"""


@dataclass(frozen=True)
class Setting:
    """What a seed draws before anything happens."""

    follow: str
    sockets: int
    nodes: int
    copies: int
    sweep: bool
    track: str
    wallets: int
    block_secs: float
    confirm_secs: int
    storm_secs: float
    storm_every_secs: float
    kill_every_steps: int
    fork_rate: float
    state_window: int
    holders_per_call: int
    calls_in_flight: int
    victims: str
    ledger: bool = False
    audit: bool = False
    max_log_blocks: int = 40

    @classmethod
    def draw(cls, rng: random.Random) -> Setting:
        """Some setting."""
        nodes = rng.choice((1, 2, 2, 3))
        return cls(
            follow=rng.choice(("logs", "heads")),
            sockets=rng.choice((0, 1, min(2, nodes))),
            nodes=nodes,
            copies=rng.choice((1, 1, 2)),
            sweep=rng.random() < 0.5,
            track=rng.choice(("discover", "discover", "table")),
            wallets=rng.choice((12, 40)),
            block_secs=rng.choice((2.0, 6.0)),
            confirm_secs=rng.choice((6, 20)),
            storm_secs=rng.choice((60.0, 150.0, 300.0)),
            storm_every_secs=rng.choice((2.0, 6.0, 20.0)),
            kill_every_steps=rng.choice((150, 600, 3000)),
            fork_rate=rng.choice((0.0, 0.05, 0.2)),
            state_window=rng.choice((128, 128, 20)),
            holders_per_call=rng.choice((1, 3, 40)),
            calls_in_flight=rng.choice((1, 4)),
            victims=rng.choice(("", "", "subscriber", "batcher", "writer")),
        )


@dataclass
class Report:
    """What came of a history, and what was in it."""

    seed: int
    setting: Setting
    broken: str | None = None
    digest: str = ""
    virtual_secs: float = 0.0
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter)


def config_of(setting: Setting) -> Config:
    """The config of a setting, as an operator would write it."""
    names = [chr(ord("a") + index) for index in range(setting.nodes)]
    keys = ("follow", "confirm_secs", "holders_per_call", "calls_in_flight", "max_log_blocks")
    chain = "\n".join(f"{key} = {json.dumps(getattr(setting, key))}" for key in keys) + "\nstall_secs = 15"
    urls, sockets = [f"http://{name}.sim" for name in names], [f"ws://{name}.sim" for name in names[: setting.sockets]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trueup.toml")
        path.write_text(BASE + LEDGER * setting.ledger + AUDIT * setting.audit + config_toml(urls, sockets, chain, f'track = "{setting.track}"'))
        return load(str(path), {})


# So few wallets as there are here would never be parted.
second_asking.FIRST_WALLETS = 1


class History:
    """See the module."""

    def __init__(self, seed: int, trace: Trace) -> None:
        self.rng = random.Random(seed)
        # By a number of its own: what it draws would be another history's weather.
        ledger, parts = (random.Random(f"{what} {seed}").random() < 0.4 for what in ("ledger", "parts"))
        # The audit's calls make another history of a seed: by its last digit, which few of the seeds have that once broke a promise.
        audit = seed % 10 in (1, 7)
        self.setting = replace(Setting.draw(self.rng), ledger=ledger, audit=audit, max_log_blocks=1 if parts else 40)
        self.trace, self.report = trace, Report(seed, self.setting)
        self.wallets = [wallet_of(index) for index in range(self.setting.wallets)]
        self.processes: list[Process] = []

    def _build(self) -> None:
        rng, setting = self.rng, self.setting
        self.chain = Chain(random.Random(rng.getrandbits(64)), self.wallets, number=1000)
        names = [chr(ord("a") + index) for index in range(setting.nodes)]
        self.provider = Provider(self.chain, random.Random(rng.getrandbits(64)), names)
        self.provider.trace = self.trace.note
        for node in self.provider.nodes.values():
            node.state_window = setting.state_window
            node.on_answer = lambda name, method, outcome: self.trace.note("node", name, method, outcome)
        self.tables = Tables(trio.current_time)
        self.judge = Judge(self.chain, self.tables, self.provider.withheld)
        self.judge.tracks_all = setting.track == "discover"
        self.tables.observers.append(self.judge)
        self.postgres = Postgres(self.tables, random.Random(rng.getrandbits(64)), self.trace)
        self.postgres.on_unit = self._on_unit
        self.weather = Weather(self.provider, self.postgres, self.chain, self.wallets, random.Random(rng.getrandbits(64)))
        config = config_of(setting)
        self.processes = [
            Process(name, config, self.provider, self.postgres, setting.sweep, self._crashed) for name in "pq"[: setting.copies]
        ]
        self.weather.on_stale_tip = lambda: setattr(self.judge, "exact_events", False)
        self._stain()

    def _stain(self) -> None:
        """What is there before the first start: rows, and nodes that are wrong from the beginning."""
        for wallet in self.wallets[:: 2 if self.setting.track == "table" else 5]:
            self.tables.rows(TABLE)[wallet] = Row(0, None, None, PLACEHOLDER)
        if self.setting.ledger:
            self._stain_ledger()
        for node in list(self.provider.nodes.values())[1:]:
            if self.rng.random() < 0.15:
                setattr(node.faults, self.rng.choice(("ignores_hash", "refuses_hash", "ignores_canonical")), True)
            elif self.rng.random() < 0.05:
                node.faults.wrong_chain_id = 1
        for node in self.provider.nodes.values():
            if self.rng.random() < 0.5:
                setattr(node.faults, self.rng.choice(("no_overrides", "refuses_overrides")), True)
                node.faults.no_multicall3, node.faults.no_deploys = self.rng.random() < 0.2, self.rng.random() < 0.3
        for _ in range(self.rng.randrange(30)):
            self.chain.mine(random_changes(self.rng, self.wallets), self._now())

    def _stain_ledger(self) -> None:
        """Rows of two chains: the config's own, and one with a URL; some that name one wallet and asset twice, and some without an address."""
        tables = self.tables
        tables.ledger_chains |= {"1": ("sim", None), "2": ("other", "http://a.sim")}
        token = "0x" + TOKEN.hex()
        tables.ledger_assets |= {"native": Asset("1", None), "token": Asset("1", token, 6), "far": Asset("2", token), "idle": Asset("2", None, 18, False)}
        for at, wallet in enumerate(self.wallets[:10]):
            for asset in ("native", "token", "token", "far")[at % 2 :]:
                found = ("0x" + wallet.hex(), at != 3, at != 4)
                tables.ledger[f"{len(tables.ledger):03}"] = Entry(asset, None if at == 5 else found)

    def _now(self) -> int:
        return self.chain.genesis.timestamp + int(trio.current_time())

    def _on_unit(self, fn: object, args: tuple[object, ...]) -> None:
        if fn is checkpoint.create and isinstance(args[2], int):
            self.judge.created(args[2])

    def _crashed(self, actor: str, cause: str) -> None:
        self.report.counts[cause] += 1
        if cause == "crash":
            self.judge.broken = self.judge.broken or f"{actor} crashed by itself"

    def strike(self) -> None:
        """The reaper's hand: mostly an actor, now and then a process."""
        if not self.processes:
            return
        process = self.rng.choice(self.processes)
        dice = self.rng.random()
        if dice < 0.04:
            self.trace.note("crash", process.host.name)
            self.report.counts["process crashes"] += 1
            process.crash()
        elif dice < 0.06 and not process.host.frozen:
            self.report.counts["freezes"] += 1
            self._thaw_at.append((trio.current_time() + self.rng.uniform(1, 25), process))
            process.host.freeze()
        elif victims := [name for name in process.actors() if name.startswith(self.setting.victims)]:
            victim = self.rng.choice(victims)
            if process.kill(victim):
                self.trace.note("kill", process.host.name, victim)
                self.report.counts["kills"] += 1

    async def live(self, reaper: Reaper) -> Report:
        """From the first start to the verdict."""
        self._thaw_at: list[tuple[float, Process]] = []
        self._build()
        with trio.CancelScope() as whole:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._judge_forever, whole)
                async with trio.open_nursery() as processes:
                    for process in self.processes:
                        processes.start_soon(process.live, self.rng)
                    await self._storm()
                    reaper.on = False
                    await self._calm()
                    for process in self.processes:
                        process.stop.set()
                nursery.cancel_scope.cancel()
        self._conclude(reaper)
        return self.report

    async def _judge_forever(self, whole: trio.CancelScope) -> None:
        """Every so often: has a promise been broken, is memory bounded, may somebody thaw."""
        while True:
            await trio.sleep(0.5)
            self._check_memory()
            if self.judge.broken is not None:
                whole.cancel()
            for at, process in list(self._thaw_at):
                if at <= trio.current_time():
                    self._thaw_at.remove((at, process))
                    process.host.thaw()

    def _check_memory(self) -> None:
        for process in self.processes:
            if process.system is None:
                continue
            for ports in process.system.chains.values():
                if len(ports.hand) > 3 * len(self.wallets) or ports.book.count() > 40:
                    self.judge.broken = f"memory: a hand of {len(ports.hand)} touches, {ports.book.count()} errands"

    async def _storm(self) -> None:
        setting = self.setting
        with trio.move_on_after(setting.storm_secs):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.weather.storm, setting.storm_every_secs)
                while True:
                    await trio.sleep(setting.block_secs * self.rng.uniform(0.3, 1.7))
                    self._next_block()

    def _next_block(self) -> None:
        rng, chain = self.rng, self.chain
        if rng.random() < self.setting.fork_rate and chain.head.number > chain.genesis.number + 12:
            depth = min(int(rng.expovariate(1 / 3)) + 1, 12)
            old, length = chain.head, max(1, depth + rng.randint(-2, 2))
            self.report.counts["forks"] += 1
            self.judge.forked = True
            chain.fork(depth, length, self._changes, self._now())
            if rng.random() < 0.3 and (node := self.provider.nodes[rng.choice(sorted(self.provider.nodes))]).faults.sits_on is None:
                self.weather.node_stays_behind(node, old)
            self.trace.note("fork", depth, length, chain.head)
        else:
            chain.mine(self._changes(), self._now())
            self.trace.note("block", chain.head)

    def _changes(self) -> list[Change]:
        rng, changes = self.rng, random_changes(self.rng, self.wallets)
        if rng.random() < 0.05:
            changes.append(Change("fail", rng.choice(self.wallets), mode=rng.choice(sorted(FAILURES))))
            self.judge.ever_failed.add(changes[-1].wallet)
        if self.chain.head.failing and rng.random() < 0.3:
            changes.append(Change("mend", rng.choice(list(self.chain.head.failing))))
        return changes

    async def _calm(self) -> None:
        """All faults end; blocks go on, and nothing happens in them. Then everything must become true, and stay so."""
        self.provider.clear()
        self.postgres.clear()
        for process in self.processes:
            process.host.thaw()
        self.trace.note("calm")
        self.chain.mine([Change("mend", wallet) for wallet in self.chain.head.failing], self._now())
        until, true_since = trio.current_time() + PATIENCE_SECS, None
        while trio.current_time() < until:
            await trio.sleep(self.setting.block_secs)
            if not self.judge.is_true():
                true_since = None
            elif true_since is None:
                true_since = trio.current_time()
            elif trio.current_time() > true_since + 3 * self.setting.confirm_secs:
                return
            # Blocks pause now and then, so that the checkpoint can be seen at the head.
            if self.rng.random() < 0.5 and true_since is None:
                self.chain.mine([], self._now())
        self.judge.broken = self.judge.broken or f"not true after the calm: {self._why_not()}"

    def _why_not(self) -> str:
        marks = self.tables.checkpoints.get("sim_transfers")
        aside = len(self.tables.aside)
        return self.judge.falsehood() or self.judge.ledger_falsehood() or f"checkpoint {marks}, head {self.chain.head!r}, {aside} set aside"

    def _conclude(self, reaper: Reaper) -> None:
        report = self.report
        if self.judge.broken is None and self.tables.leases:
            self.judge.broken = f"roles were not given back: {dict(self.tables.leases)}"
        self.judge.broken = self.judge.broken or self.judge.ledger_left()
        report.broken, report.steps, report.virtual_secs = self.judge.broken, reaper.steps, trio.current_time()
        struck = self.provider.struck() + self.postgres.struck
        report.counts.update(
            {
                "faults": sum(struck.values()),
                "reorgs healed": self.judge.reorgs,
                "checkpoint moves": self.judge.moves,
                "readings written": self.judge.readings,
                "episodes": self.weather.episodes,
            }
        )
        self.trace.note("end", report.broken or "all promises hold", sorted(report.counts.items()))
        report.digest = self.trace.digest()


def run(seed: int, show: Callable[[str], object] | None = None) -> Report:
    """Run one history. The same seed gives the same trace, in whatever process."""
    trace = Trace(show)
    seed_the_scheduler(seed)
    history = History(seed, trace)
    reaper = Reaper(random.Random(seed), history.setting.kill_every_steps, history.strike)
    lines = Lines(trace)
    logger = logging.getLogger("trueup")
    level = logger.level
    logger.addHandler(lines)
    logger.setLevel(logging.INFO if show is not None else logging.WARNING)
    logger.propagate = False
    try:
        clock = trio.testing.MockClock(autojump_threshold=0)
        return trio.run(history.live, reaper, clock=clock, instruments=[reaper])
    finally:
        logger.removeHandler(lines)
        logger.setLevel(level)
        logger.propagate = True


def seed_the_scheduler(seed: int) -> None:
    """Trio shuffles the tasks that are ready, on purpose; with a seed it does so in the same way each time. Hypothesis does the same."""
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # final, but Hypothesis sets it as well
    trio_run._r.seed(seed)
    random.seed(seed)


__all__ = ["History", "Report", "Setting", "run", "seed_the_scheduler"]
