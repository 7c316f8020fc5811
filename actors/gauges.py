"""What a scrape shows of the view: gauges that are set when somebody asks, and forget whom the view no longer has.

Where Prometheus' conventions would have a moment (`…_timestamp_seconds`) these are ages by our own clock: an alert must not depend on how
well the monitoring's clock agrees with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from actors import health
from actors.view import AssetView, ChainView, EndpointFacts, ServiceView

Make = Callable[..., Gauge]
QUANTILES = {"0.5": "p50_secs", "0.9": "p90_secs", "0.99": "p99_secs"}
# An endpoint is left for seconds at a time and tried again: it counts as up once it has been left in peace for this long.
FAILED_LATELY_SECS = 300.0


class Gauges:
    """All of them, in the registry of the metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def make(name: str, about: str, *labels: str) -> Gauge:
            gauge = Gauge(f"trueup_{name}", about, labels, registry=registry)
            if labels:
                self._labelled.append(gauge)
            return gauge

        self._labelled: list[Gauge] = []
        self._make_of_chains(make)
        self._make_of_assets(make)
        self._make_of_audits(make)
        self._ages = _RowAges()
        registry.register(self._ages)

    def _make_of_chains(self, make: Make) -> None:
        self._ready = make("ready", "1 while the service does its job, as /readyz says")
        self._config_good = make("config_reload_success", "1 while the config file, as it was last read, is in force or waits for a restart")
        about = "When the config file was last read and taken, in Unix time, as Prometheus says it of its own"
        self._config_at = make("config_last_reload_success_timestamp_seconds", about)
        self._store_up = make("store_up", "1 while no unit of work waits for Postgres")
        self._endpoint_up = make("endpoint_up", "1 while a node's endpoint answers", "chain", "endpoint")
        self._connected = make("chain_connected", "1 while news of the chain comes in", "chain")
        self._head_age = make("head_age_seconds", "Since the newest block seen was made; of the chains that this process follows", "chain")
        self._head_block = make("head_block", "The newest block seen", "chain")

    def _make_of_assets(self, make: Make) -> None:
        self._info = make("asset_info", "Always 1: which chain an asset is on", "asset", "chain")
        self._checkpoint_block = make("checkpoint_block", "The checkpoint's marks", "asset", "mark")
        self._set_aside = make("set_aside", "Wallets whose read fails, by their next attempt", "asset")
        self._closing_period = make("closing_period_seconds", "How often a closing is due", "asset", "chain")
        about = "Since the newest closed block was made; of the assets that this process follows"
        self._checkpoint_lag = make("checkpoint_lag_seconds", about, "asset", "chain")
        self._rows = make("rows", "Rows with an age, as far as Postgres or a sample knows", "asset")
        self._placeholders = make("placeholder_rows", "Rows that were never read", "asset")
        self._oldest = make("row_age_max_seconds", "Age of the oldest row that is not set aside", "asset")
        self._target = make("target_age_seconds", "The age that no row should pass", "asset")
        self._at_risk = make("target_age_at_risk", "1 while rows pass their target age, or are about to", "asset")

    def _make_of_audits(self, make: Make) -> None:
        self._audit = {
            "wrong_per_million": make("audit_wrong_ratio", "The share of the checked rows that were wrong", "asset"),
            "wrong_per_million_low": make("audit_wrong_ratio_low", "Its lower bound at 95 %", "asset"),
            "wrong_per_million_high": make("audit_wrong_ratio_high", "Its upper bound at 95 %", "asset"),
        }
        self._checkable = make("audit_checkable_ratio", "The share of the rows that can be checked", "asset")
        self._blocked = make("audit_blocked_rows", "Rows that are wrong still after they were mended; of many some", "asset")

    def set(self, view: ServiceView, now: float, unix_time: float) -> None:
        """`now` is monotonic."""
        self._ready.set(health.readiness(view, now)[0])
        self._store_up.set(view.store_ok)
        self._config_good.set(view.config.error is None)
        self._config_at.set(view.config.loaded_at.timestamp())
        for gauge in self._labelled:
            gauge.clear()
        for chain in view.chains.values():
            self._set_chain(chain, now, unix_time)
        for asset in view.assets.values():
            self._set_marks(asset, unix_time)
            self._set_rows(asset)
            self._set_audit(asset.name, asset.audit() or {})
        self._ages.of = {asset.name: asset.age for asset in view.assets.values() if asset.age is not None}

    def _set_chain(self, chain: ChainView, now: float, unix_time: float) -> None:
        for endpoint in chain.endpoints():
            self._endpoint_up.labels(chain.name, endpoint.name).set(_answers(endpoint, now))
        self._connected.labels(chain.name).set(chain.is_connected(now))
        if chain.head is not None:
            self._head_block.labels(chain.name).set(chain.head.number)
        if chain.leads and chain.head is not None:
            self._head_age.labels(chain.name).set(max(0.0, unix_time - chain.head.timestamp))

    def _set_marks(self, asset: AssetView, unix_time: float) -> None:
        self._info.labels(asset.name, asset.chain).set(1)
        if asset.checkpoint_block is not None:
            self._checkpoint_block.labels(asset.name, "last_block").set(asset.checkpoint_block)
            confirmed = asset.checkpoint_block if asset.confirmed is None else asset.confirmed
            self._checkpoint_block.labels(asset.name, "confirmed").set(confirmed)
        if asset.follows:
            self._closing_period.labels(asset.name, asset.chain).set(asset.closes_every_secs)
        if asset.checkpoint_time is not None:
            self._checkpoint_lag.labels(asset.name, asset.chain).set(max(0.0, unix_time - asset.checkpoint_time))

    def _set_rows(self, asset: AssetView) -> None:
        _set(self._set_aside, asset.name, asset.set_aside)
        if asset.age is not None:
            _set(self._rows, asset.name, asset.age["rows"])
            _set(self._placeholders, asset.name, asset.age["placeholders"])
            _set(self._oldest, asset.name, asset.age["max_secs"])
        if asset.objective is not None:
            _set(self._target, asset.name, asset.objective.target_secs)
            _set(self._at_risk, asset.name, asset.objective.at_risk)

    def _set_audit(self, asset: str, audit: dict[str, Any]) -> None:
        for key, gauge in self._audit.items():
            found = audit.get(key)
            _set(gauge, asset, None if found is None else found / 1e6)
        _set(self._checkable, asset, audit.get("checkable_share"))
        _set(self._blocked, asset, audit.get("blocked_rows"))


def _set(gauge: Gauge, asset: str, value: float | None) -> None:
    if value is not None:
        gauge.labels(asset).set(value)


def _answers(endpoint: EndpointFacts, now: float) -> bool:
    lately = endpoint.failures > 0 and endpoint.down_until > now - FAILED_LATELY_SECS
    return endpoint.chain_ok is not False and not lately


class _RowAges(Collector):
    """Percentiles, which the conventions let a summary alone have. It has no sum and no count: it is of the rows as they are, and what
    those would be for is the rate of something that happens.
    """

    def __init__(self) -> None:
        self.of: dict[str, dict[str, Any]] = {}

    def collect(self) -> Iterator[Metric]:
        """For a scrape."""
        family = Metric("trueup_row_age_seconds", "Age of the rows that are not set aside", "summary")
        for asset, age in self.of.items():
            for quantile, key in QUANTILES.items():
                if age[key] is not None:
                    family.add_sample(family.name, {"asset": asset, "quantile": quantile}, age[key])
        yield family

    def describe(self) -> Iterable[Metric]:
        """For the registry: the name."""
        return [Metric("trueup_row_age_seconds", "", "summary")]
