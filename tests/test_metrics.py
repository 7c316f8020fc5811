"""The metrics' names and labels, as a Prometheus reads them."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from actors.age.ages import Ages
from actors.age.objective import Verdict
from actors.metrics import Metrics
from tests.views import AT, NOW, FakeEndpoint, actor, header, healthy


def families(metrics: Metrics) -> dict[str, Metric]:
    """What a scrape sees, by name."""
    return {each.name: each for each in text_string_to_metric_families(metrics.render().decode())}


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Each sample by its name and its label values, in the order of the labels' names."""
    return {
        (sample.name, *sample.labels.values()): sample.value for family in families(metrics).values() for sample in family.samples
    }


COUNTERS = {
    "actor_restarts": ("actor", "cause"),
    "requests": ("chain", "endpoint", "method"),
    "rpc_calls": ("chain", "actor", "method"),
    "rpc_units": ("chain", "actor", "method"),
    "throttled": ("chain",),
    "node_errors": ("chain", "endpoint", "kind"),
    "touches": ("asset", "lane"),
    "hints_dropped": ("chain",),
    "readings": ("asset",),
    "rows_written": ("asset",),
    "sweep_ticks": ("asset",),
    "sweep_ticks_dropped": ("asset",),
    "closings": ("asset",),
    "closings_failed": ("asset",),
    "audit_checked": ("asset",),
    "audit_wrong": ("asset",),
    "audit_disputed": ("asset",),
    "logs_withheld": ("chain",),
    "logs_undecodable": ("asset",),
    "reorgs": ("chain",),
    "reconnects": ("chain",),
}
GAUGES = {
    "actor_up": ("actor",),
    "window_units": ("chain",),
    "month_units": ("chain",),
    "month_cap_units": ("chain",),
    "mailbox_messages": ("mailbox", "lane"),
}


def test_every_counter_has_its_name_and_labels_and_ends_in_total() -> None:
    metrics = Metrics()
    for name, labels in COUNTERS.items():
        getattr(metrics, name).labels(*labels).inc()
    seen = families(metrics)
    for name, labels in COUNTERS.items():
        (sample,) = seen[f"trueup_{name}"].samples
        assert (sample.name, sample.value) == (f"trueup_{name}_total", 1)
        assert sorted(sample.labels) == sorted(labels)
        assert seen[f"trueup_{name}"].type == "counter"


def test_every_gauge_has_its_name_and_labels() -> None:
    metrics = Metrics()
    for name, labels in GAUGES.items():
        getattr(metrics, name).labels(*labels).set(5)
    seen = families(metrics)
    for name, labels in GAUGES.items():
        (sample,) = seen[f"trueup_{name}"].samples
        assert (sample.name, sample.value) == (f"trueup_{name}", 5)
        assert sorted(sample.labels) == sorted(labels)
        assert seen[f"trueup_{name}"].type == "gauge"


def test_the_time_from_event_to_row_is_a_histogram() -> None:
    metrics = Metrics()
    metrics.event_to_row_seconds.observe("AUDIO", 4)
    seen = samples(metrics)
    assert seen["trueup_event_to_row_seconds_count", "AUDIO"] == 1
    assert seen["trueup_event_to_row_seconds_bucket", "AUDIO", "3.0"] == 0
    assert seen["trueup_event_to_row_seconds_bucket", "AUDIO", "5.0"] == 1


def test_two_systems_in_one_process_share_no_count() -> None:
    one, other = Metrics(), Metrics()
    one.closings.labels("AUDIO").inc()
    assert ("trueup_closings_total", "AUDIO") not in samples(other)


def test_what_has_not_happened_yet_is_shown_as_0() -> None:
    metrics = Metrics()
    metrics.expect(["ethereum"], ["AUDIO"])
    seen = samples(metrics)
    assert seen["trueup_reorgs_total", "ethereum"] == 0
    assert seen["trueup_closings_total", "AUDIO"] == 0
    assert seen["trueup_touches_total", "AUDIO", "sweep"] == 0


def test_a_scrape_shows_what_the_view_knows() -> None:
    metrics, view = Metrics(), healthy()
    view.actors = lambda: [actor("server"), actor("writer", "backing off")]
    view.assets["AUDIO"].set_aside = 4
    metrics.observe(view, NOW)
    seen = samples(metrics)
    assert (seen["trueup_actor_up", "server"], seen["trueup_actor_up", "writer"]) == (1, 0)
    assert seen["trueup_actor_restarts_total", "writer", "crash"] == 0
    assert seen["trueup_mailbox_messages", "live", "readings"] == 3
    assert seen["trueup_mailbox_messages", "sweep", "readings"] == 1
    assert seen["trueup_set_aside", "AUDIO"] == 4


def test_a_scrape_shows_where_each_chain_and_asset_is() -> None:
    metrics, view = Metrics(), healthy()
    view.assets["AUDIO"].closes_every_secs = 90
    metrics.observe(view, NOW)
    seen = samples(metrics)
    assert seen["trueup_head_block", "ethereum"] == 120
    assert (seen["trueup_checkpoint_block", "AUDIO", "last_block"], seen["trueup_checkpoint_block", "AUDIO", "confirmed"]) == (118, 110)
    assert (seen["trueup_asset_info", "AUDIO", "ethereum"], seen["trueup_closing_period_seconds", "AUDIO", "ethereum"]) == (1, 90)


def test_a_scrape_shows_the_audit_in_parts_of_one() -> None:
    metrics, view = Metrics(), healthy()
    audit = {"wrong_per_million": 20.0, "wrong_per_million_low": 5.0, "wrong_per_million_high": 70.0, "checkable_share": 0.98, "blocked_rows": 2}
    view.assets["AUDIO"].audit = lambda: audit
    metrics.observe(view, NOW)
    shown = {name.removeprefix("trueup_audit_"): value for (name, *_), value in samples(metrics).items() if "_audit_" in name}
    ratios = {"wrong_ratio": 20e-6, "wrong_ratio_low": 5e-6, "wrong_ratio_high": 70e-6, "checkable_ratio": 0.98}
    assert shown == pytest.approx({**ratios, "blocked_rows": 2})


def test_what_is_no_longer_known_is_forgotten() -> None:
    metrics, view = Metrics(), healthy()
    chain, asset = view.chains["ethereum"], view.assets["AUDIO"]
    asset.audit = lambda: {"wrong_per_million": 20.0, "checkable_share": 0.98, "blocked_rows": 2}
    metrics.observe(view, NOW)
    names = {"trueup_head_block", "trueup_checkpoint_block", "trueup_audit_wrong_ratio", "trueup_audit_checkable_ratio", "trueup_audit_blocked_rows"}
    assert names <= {name for name, *_ in samples(metrics)}
    chain.head, asset.checkpoint_block, asset.audit = None, None, lambda: None
    metrics.observe(view, NOW)
    assert not names & {name for name, *_ in samples(metrics)}


def test_a_scrape_shows_the_window_and_the_month() -> None:
    metrics, view = Metrics(), healthy()
    view.chains["ethereum"].budget = lambda: {"name": "ethereum", "window_units": 52, "month_units": None, "month_cap": None}
    metrics.observe(view, NOW)
    seen = samples(metrics)
    assert (seen["trueup_window_units", "ethereum"], seen["trueup_month_cap_units", "ethereum"]) == (52, 0)
    assert ("trueup_month_units", "ethereum") not in seen
    view.chains["ethereum"].budget = lambda: {"name": "ethereum", "window_units": 0, "month_units": 900, "month_cap": 1000}
    metrics.observe(view, NOW)
    seen = samples(metrics)
    assert (seen["trueup_month_units", "ethereum"], seen["trueup_month_cap_units", "ethereum"]) == (900, 1000)


def test_a_scrape_shows_what_an_alert_needs() -> None:
    view, metrics = healthy(), Metrics()
    asset, chain = view.assets["AUDIO"], view.chains["ethereum"]
    chain.head, asset.checkpoint_time = replace(header(120), timestamp=int(time.time()) - 12), time.time() - 30
    asset.age, asset.objective = Ages(((500, 10),), 10, 3, 150.0).shown(AT), Verdict(3600, "late", "x")
    metrics.observe(view, NOW)
    seen = samples(metrics)
    for name in ("ready", "store_up"):
        assert seen[f"trueup_{name}",] == (name == "store_up")
    assert seen["trueup_endpoint_up", "ethereum", "https://node.example"] == 1
    assert seen["trueup_head_age_seconds", "ethereum"] == pytest.approx(12, abs=2)
    assert seen["trueup_checkpoint_lag_seconds", "AUDIO", "ethereum"] == pytest.approx(30, abs=2)
    assert (seen["trueup_rows", "AUDIO"], seen["trueup_placeholder_rows", "AUDIO"]) == (10, 3)
    assert seen["trueup_row_age_max_seconds", "AUDIO"] == 150
    assert seen["trueup_row_age_seconds", "AUDIO", "0.99"] == pytest.approx(149, rel=0.01)
    assert (seen["trueup_target_age_seconds", "AUDIO"], seen["trueup_target_age_at_risk", "AUDIO"]) == (3600, 1)


def test_what_another_copy_follows_or_nobody_knows_yet_is_not_shown_rather_than_0() -> None:
    view, metrics = healthy(), Metrics()
    metrics.observe(view, NOW)
    assert ("trueup_head_age_seconds", "ethereum") in samples(metrics)
    view.chains["ethereum"].leads = False
    metrics.observe(view, NOW)
    absent = ("head_age_seconds", "checkpoint_lag_seconds", "row_age_seconds", "row_age_max_seconds", "target_age_at_risk")
    assert not [key for key in samples(metrics) if key[0].removeprefix("trueup_") in absent]


def test_an_actor_and_a_chain_that_are_no_more_are_forgotten() -> None:
    view, metrics = healthy(), Metrics()
    metrics.observe(view, NOW)
    view.actors, view.mailboxes, view.chains, view.assets = lambda: [actor("server")], list, {}, {}
    metrics.observe(view, NOW)
    labels = {value for name, *values in samples(metrics) if "_total" not in name and not name.startswith("process") for value in values}
    assert labels == {"server"}


def test_an_endpoint_counts_as_down_while_it_failed_lately_though_it_may_be_asked_again() -> None:
    endpoint, metrics = FakeEndpoint(failures=3, down_until=NOW - 30), Metrics()
    view = healthy(endpoint)
    metrics.observe(view, NOW)
    assert samples(metrics)["trueup_endpoint_up", "ethereum", endpoint.name] == 0
    metrics.observe(view, NOW + 600)  # it was left in peace since, with nobody to ask it
    assert samples(metrics)["trueup_endpoint_up", "ethereum", endpoint.name] == 1
    endpoint.chain_ok = False
    metrics.observe(view, NOW + 600)
    assert samples(metrics)["trueup_endpoint_up", "ethereum", endpoint.name] == 0
