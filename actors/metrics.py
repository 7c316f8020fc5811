"""What is counted, by Prometheus' conventions, in an own registry: two systems in one process share no count.

Actors count where things happen; gauges of what the view already knows are set when somebody asks. No label holds a wallet or a secret:
an `endpoint` is the public name of its URL, scheme and host.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client import generate_latest as generate

from actors.gauges import Gauges
from actors.histogram import Histogram as ByAsset
from actors.view import ServiceView

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LANES = ("live", "sweep")
CAUSES = ("crash", "kill", "stall")
EVENT_BUCKETS = (0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 12, 15, 20, 30, 60, 120, 300, 600)
WRITE_LANES = ("live", "sweep", "pages")
Metric = TypeVar("Metric", Counter, Gauge, Histogram)
NodeCalls = partial(Histogram, buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10))
Writes = partial(Histogram, buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60))
# They double every counter, and no dashboard of ours reads them.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """All metrics, one attribute each; `render` gives Prometheus' text."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._make_of_actors()
        self._make_of_calls()
        self._make_of_rows()
        self._make_of_chains()
        self._gauges = Gauges(self.registry)
        ProcessCollector(registry=self.registry)

    def _make(self, kind: Callable[..., Metric], name: str, about: str, *labels: str) -> Metric:
        return kind(f"trueup_{name}", about, labels, registry=self.registry)

    def _make_of_actors(self) -> None:
        self.actor_restarts = self._make(Counter, "actor_restarts_total", "Restarts of an actor", "actor", "cause")
        self.actor_up = self._make(Gauge, "actor_up", "1 while the actor runs", "actor")
        self.mailbox_messages = self._make(Gauge, "mailbox_messages", "Messages that wait in a mailbox", "mailbox", "lane")

    def _make_of_calls(self) -> None:
        self.requests = self._make(Counter, "requests_total", "Requests to nodes", "chain", "endpoint", "method")
        self.rpc_calls = self._make(Counter, "rpc_calls_total", "Calls to nodes and pushed notifications", "chain", "actor", "method")
        self.rpc_units = self._make(Counter, "rpc_units_total", "Their cost in the provider's units", "chain", "actor", "method")
        self.throttled = self._make(Counter, "throttled_total", "Calls that a provider refused for their rate", "chain")
        self.window_units = self._make(Gauge, "window_units", "Units in the provider's rolling window", "chain")
        self.month_units = self._make(Gauge, "month_units", "Units of this month, of all processes", "chain")
        self.month_cap_units = self._make(Gauge, "month_cap_units", "Units that a month may cost; 0: no cap", "chain")
        about = "How long a node took to answer a request, refusals included"
        self.node_call_seconds = self._make(NodeCalls, "node_call_duration_seconds", about, "chain", "endpoint")
        self.node_errors = self._make(Counter, "node_errors_total", "Errors of nodes by whose fault", "chain", "endpoint", "kind")

    def _make_of_rows(self) -> None:
        self.touches = self._make(Counter, "touches_total", "Requests to read a wallet again", "asset", "lane")
        self.readings = self._make(Counter, "readings_total", "Wallets read", "asset")
        self.rows_written = self._make(Counter, "rows_written_total", "Rows whose value was stored", "asset")
        self.sweep_ticks = self._make(Counter, "sweep_ticks_total", "Ticks of the sweep that were completed", "asset")
        self.sweep_ticks_dropped = self._make(Counter, "sweep_ticks_dropped_total", "Ticks due while one was open", "asset")
        about = "How long one transaction of the writer took, waits for Postgres included"
        self.write_seconds = self._make(Writes, "write_duration_seconds", about, "lane")
        about = "From the event's block time to its row's commit, by wallet"
        self.event_to_row_seconds = ByAsset("trueup_event_to_row_seconds", about, EVENT_BUCKETS)
        self.registry.register(self.event_to_row_seconds)
        self.audit_checked = self._make(Counter, "audit_checked_total", "Rows compared with the chain again", "asset")
        self.audit_wrong = self._make(Counter, "audit_wrong_total", "Those of them that were wrong", "asset")
        self.audit_disputed = self._make(Counter, "audit_disputed_total", "Rows that endpoints contradicted each other over", "asset")

    def _make_of_chains(self) -> None:
        self.hints_dropped = self._make(Counter, "hints_dropped_total", "Hints dropped at a full lane", "chain")
        self.closings = self._make(Counter, "closings_total", "Closings that ended", "asset")
        self.closings_failed = self._make(Counter, "closings_failed_total", "Closings that failed, and were tried again", "asset")
        self.logs_withheld = self._make(Counter, "logs_withheld_total", "Logs that only the second asking found", "chain")
        self.logs_undecodable = self._make(Counter, "logs_undecodable_total", "Logs skipped for their layout", "asset")
        self.reorgs = self._make(Counter, "reorgs_total", "Reorgs seen", "chain")
        self.reconnects = self._make(Counter, "reconnects_total", "Sockets that ended and were opened anew", "chain")

    def expect(self, chains: Iterable[str], assets: Iterable[str]) -> None:
        """Show a 0 for what has not happened yet: a rate over a series that is not there is no 0."""
        for chain in chains:
            for counter in (self.hints_dropped, self.logs_withheld, self.reorgs, self.reconnects, self.throttled):
                counter.labels(chain)
        for lane in WRITE_LANES:
            self.write_seconds.labels(lane)
        for asset in assets:
            for lane in LANES:
                self.touches.labels(asset, lane)
            for counter in (self.readings, self.rows_written, self.closings, self.closings_failed, self.logs_undecodable):
                counter.labels(asset)
            for counter in (self.sweep_ticks, self.sweep_ticks_dropped, self.audit_checked, self.audit_wrong, self.audit_disputed):
                counter.labels(asset)
            self.event_to_row_seconds.expect([asset])

    def observe(self, view: ServiceView, now: float) -> None:
        """Set the gauges that the view knows; `now` is monotonic. What the view no longer has is forgotten."""
        self._gauges.set(view, now, time.time())
        for gauge in (self.actor_up, self.mailbox_messages, self.window_units, self.month_cap_units, self.month_units):
            gauge.clear()
        for actor in view.actors():
            self.actor_up.labels(actor["name"]).set(actor["state"] == "running")
            for cause in CAUSES:
                self.actor_restarts.labels(actor["name"], cause)
        for mailbox in view.mailboxes():
            for lane in LANES:
                self.mailbox_messages.labels(mailbox["name"], lane).set(mailbox[lane])
        for budget in filter(None, (chain.budget() for chain in view.chains.values())):
            self.window_units.labels(budget["name"]).set(budget["window_units"])
            self.month_cap_units.labels(budget["name"]).set(budget["month_cap"] or 0)
            if budget["month_units"] is not None:
                self.month_units.labels(budget["name"]).set(budget["month_units"])

    def all_rows_written(self) -> float:
        """Of all assets."""
        samples = (sample for family in self.rows_written.collect() for sample in family.samples)
        return sum(sample.value for sample in samples if sample.name.endswith("_total"))

    def render(self) -> bytes:
        """Prometheus' text format."""
        return generate(self.registry)
