"""A service that does its job, with everything in it that a scrape shows, and the ways to break it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

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
        self.asset.audit = lambda: {"wrong_per_million": 0.0, "checkable_share": 0.98, "blocked_rows": 0}
        self.view.actors = lambda: [actor("server"), actor("writer"), actor("auditor")]
        self.started = 0.0  # of the process, after the first time, in seconds
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
        found = scrape(self.metrics.render())
        return {name: self.started if name.startswith("process_start_time_seconds") else value for name, value in found.items()}


    def stands_still(self, minutes: int) -> None:
        """For so long nothing has been asked, closed or read."""
        self.head_stands_still(minutes)
        self.closings_stand_still(minutes)
        self.aged(3200 + 60 * minutes)

    def head_stands_still(self, minutes: int) -> None:
        """The newest block is so old, and nothing newer can be closed."""
        self.chain.head = replace(header(120), timestamp=int(time.time()) - 12 - 60 * minutes)
        self.asset.checkpoint_time = time.time() - 40 - 60 * minutes

    def closings_stand_still(self, minutes: int) -> None:
        """The last one ended so long ago."""
        self.asset.checkpoint_time = time.time() - 40 - 60 * minutes
        self.asset.last_closed_at = NOW - 5 - 60 * minutes


def _postgres_goes(scene: Scene, minutes: int) -> None:
    scene.view.waits_for_store(object(), "the server is shutting down")
    scene.stands_still(minutes)


def _endpoints_fail(scene: Scene, minutes: int) -> None:
    for endpoint in scene.endpoints:
        _fails(endpoint)
    scene.stands_still(minutes)


def _one_endpoint_fails(scene: Scene, _: int) -> None:
    _fails(scene.endpoints[1])


def _fails(endpoint: FakeEndpoint) -> None:
    endpoint.failures, endpoint.last_error, endpoint.down_until = 9, "503", NOW + 12


def _auditor_backs_off(scene: Scene, _: int) -> None:
    scene.view.actors = lambda: [actor("server"), actor("writer"), actor("auditor", "backing off", "ValueError: bug")]


def _writer_crashes(scene: Scene, minutes: int) -> None:
    scene.metrics.actor_restarts.labels("writer", "crash").inc(3 + minutes // 2)


def _wallets_fail(scene: Scene, _: int) -> None:
    scene.asset.set_aside = 21


def _row_is_wrong(scene: Scene, _: int) -> None:
    scene.metrics.audit_wrong.labels("AUDIO").inc()
    scene.asset.audit = lambda: {"wrong_per_million": 20.0, "blocked_rows": 1}


def _row_stays_wrong(scene: Scene, _: int) -> None:
    scene.asset.audit = lambda: {"wrong_per_million": 20.0, "blocked_rows": 1}


def _ledger_chain_fails(scene: Scene, _: int) -> None:
    scene.view.ledger["polygon"] = LedgerView("polygon", "its node is on another chain")


def _process_ends_again_and_again(scene: Scene, minutes: int) -> None:
    scene.started = 60.0 * (minutes // 2 * 2)


@dataclass(frozen=True)
class Break:
    """What breaks (`how` makes it so, that many minutes later), and after how many minutes who is told; `gone`: nothing answers any more."""

    alert: str
    minutes: int
    how: Callable[[Scene, int], object]
    gone: bool = False

    def scraped(self, minutes: int) -> list[Scrape]:
        """What Prometheus gets meanwhile, by the minute."""
        return [{} if self.gone else self._at(minute) for minute in range(1, minutes + 1)]

    def _at(self, minute: int) -> Scrape:
        scene = Scene()
        self.how(scene, minute)
        return scene.scraped()


BREAKS = {
    "the process is gone": Break("TrueupDown", 5, lambda scene, minutes: None, gone=True),
    "the process ends again and again": Break("TrueupRestarting", 9, _process_ends_again_and_again),
    "Postgres goes": Break("TrueupPostgresDown", 3, _postgres_goes),
    "all endpoints fail": Break("TrueupNoEndpoint", 3, _endpoints_fail),
    "one endpoint fails": Break("TrueupEndpointDown", 17, _one_endpoint_fails),
    "the head stands still": Break("TrueupHeadOld", 11, Scene.head_stands_still),
    "the closings stand still": Break("TrueupCheckpointLate", 16, Scene.closings_stand_still),
    "an actor backs off": Break("TrueupActorFailing", 7, _auditor_backs_off),
    "an actor crashes again and again": Break("TrueupActorFailing", 9, _writer_crashes),
    "wallets cannot be read": Break("TrueupWalletsSetAside", 32, _wallets_fail),
    "the month is nearly spent": Break("TrueupBudgetNearlySpent", 12, lambda scene, minutes: scene.spent(920)),
    "rows pass their target": Break("TrueupRowsTooOld", 7, lambda scene, minutes: scene.aged(3700 + 60 * minutes)),
    "the audit finds a wrong row": Break("TrueupRowsWrong", 2, _row_is_wrong),
    "a row stays wrong": Break("TrueupAuditBlocked", 7, _row_stays_wrong),
    "a ledger's chain cannot be used": Break("TrueupNotReady", 22, _ledger_chain_fails),
}
