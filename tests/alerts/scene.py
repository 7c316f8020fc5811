"""A service that does its job, with everything in it that a scrape shows, and the ways to break it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from prometheus_client import Counter

from actors.age.ages import Ages
from actors.age.objective import Objective
from actors.budget.gate import Budget
from actors.budget.governor import Governor
from actors.budget.month import DAY, MonthSpent
from actors.budget.prices import Prices
from actors.metrics import Metrics
from actors.view import LedgerView, ServiceView
from tests.alerts.promtool import Scrape, scrape
from tests.views import NOW, FakeEndpoint, actor, header, healthy

TARGET_SECS = 3600.0
FORECAST = {"tick_rows": 50, "tick_every_secs": 30.0, "secs": 3240.0, "meets_target": True}


def _aged(oldest_secs: float) -> Ages:
    return Ages(((round(100 * math.log(oldest_secs)), 1000),), 1000, 0, oldest_secs)


@dataclass
class Scene:
    """A view, its metrics, and the parts that make what the view shows."""

    endpoints: list[FakeEndpoint] = field(default_factory=lambda: [FakeEndpoint(), FakeEndpoint("https://other.example")])
    metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self.view: ServiceView = healthy()
        self.chain, self.asset = self.view.chains["ethereum"], self.view.assets["AUDIO"]
        self.chain.endpoints = lambda: self.endpoints
        self.chain.head = replace(header(120), timestamp=int(time.time()) - 12)
        self.asset.checkpoint_time = time.time() - 40
        self.budget = Budget("ethereum", Governor(Prices("plain", default=1, window_secs=1), 0, 1000, lambda: NOW))
        self.chain.budget = self.budget.facts
        self.spent(300)
        self.objective = Objective(TARGET_SECS, NOW - 2 * TARGET_SECS)
        self.aged(3200)
        self.wrong = _counter(self.metrics, "trueup_audit_wrong_total")
        self.metrics.expect(self.view.chains, self.view.assets)

    def spent(self, units: int) -> None:
        """What the month has cost."""
        self.budget.governor.booked(MonthSpent(units, units, DAY, DAY))

    def aged(self, oldest_secs: float) -> None:
        """The oldest row is so old."""
        self.asset.objective = self.objective.judge(NOW, _aged(oldest_secs), FORECAST, 0)

    def scraped(self) -> Scrape:
        """What Prometheus gets now."""
        self.metrics.observe(self.view, NOW)
        return scrape(self.metrics.render())


def _counter(metrics: Metrics, name: str) -> Counter:
    """The audit's own, or one of its name."""
    known = metrics.registry._names_to_collectors.get(name)
    counter = known if isinstance(known, Counter) else Counter(name, "Rows that were wrong", ["asset"], registry=metrics.registry)
    counter.labels("AUDIO")
    return counter


def _postgres_goes(scene: Scene) -> None:
    scene.view.waits_for_store(object(), "the server is shutting down")


def _endpoint_fails(scene: Scene, *which: int) -> None:
    for index in which:
        found = scene.endpoints[index]
        found.failures, found.last_error, found.down_until = 9, "503", NOW + 12


def _head_stands_still(scene: Scene) -> None:
    scene.chain.head = replace(header(120), timestamp=int(time.time()) - 400)
    scene.asset.checkpoint_time = time.time() - 900  # nothing newer can be closed


def _closings_stand_still(scene: Scene) -> None:
    scene.asset.checkpoint_time = time.time() - 900


def _writer_backs_off(scene: Scene) -> None:
    scene.view.actors = lambda: [actor("server"), actor("writer", "backing off", "ValueError: bug")]


def _writer_crashes(scene: Scene) -> None:
    scene.metrics.actor_restarts.labels("writer", "crash").inc(5)


def _wallets_fail(scene: Scene) -> None:
    scene.asset.set_aside = 21


def _ledger_chain_fails(scene: Scene) -> None:
    scene.view.ledger["polygon"] = LedgerView("polygon", "its node is on another chain")


@dataclass(frozen=True)
class Break:
    """What breaks, after how many minutes who is told; `gone`: nothing answers any more."""

    alert: str
    minutes: int
    how: Callable[[Scene], object]
    gone: bool = False


BREAKS = {
    "the process is gone": Break("TrueupDown", 5, lambda scene: None, gone=True),
    "Postgres goes": Break("TrueupPostgresDown", 3, _postgres_goes),
    "all endpoints fail": Break("TrueupNoEndpoint", 3, lambda scene: _endpoint_fails(scene, 0, 1)),
    "one endpoint fails": Break("TrueupEndpointDown", 17, lambda scene: _endpoint_fails(scene, 1)),
    "the head stands still": Break("TrueupHeadOld", 7, _head_stands_still),
    "the closings stand still": Break("TrueupCheckpointLate", 7, _closings_stand_still),
    "an actor backs off": Break("TrueupActorFailing", 7, _writer_backs_off),
    "an actor crashes again and again": Break("TrueupActorFailing", 7, _writer_crashes),
    "wallets cannot be read": Break("TrueupWalletsSetAside", 32, _wallets_fail),
    "the month is nearly spent": Break("TrueupBudgetNearlySpent", 12, lambda scene: scene.spent(920)),
    "rows pass their target": Break("TrueupRowsTooOld", 7, lambda scene: scene.aged(3700)),
    "the audit finds a wrong row": Break("TrueupRowsWrong", 2, lambda scene: scene.wrong.labels("AUDIO").inc()),
    "a ledger's chain cannot be used": Break("TrueupNotReady", 22, _ledger_chain_fails),
}
