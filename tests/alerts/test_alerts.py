"""`config/alerts.yml`: each alert fires for what it names, alone, and for nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from actors.view import AssetView, ChainView
from tests.alerts.promtool import ALERTS, Expected, Scrape, firing, promtool
from tests.alerts.scene import BREAKS, Break, Scene
from tests.views import FakeEndpoint

LONG_MINUTES = 40
NAMES = re.findall(r"- alert: (\w+)", ALERTS.read_text())


def test_prometheus_accepts_the_rules_and_they_are_few() -> None:
    assert f"{len(NAMES)} rules found" in promtool("check", "rules", ALERTS)
    assert len(NAMES) == len(set(NAMES)) <= 16


def test_each_alert_has_a_severity_names_its_part_and_says_what_to_do() -> None:
    for rule in re.split(r"- alert: ", ALERTS.read_text())[1:]:
        assert re.search(r"severity: (critical|warning)", rule), rule
        assert re.search(r"summary: \S", rule), rule
        assert re.search(r"description: \S", rule), rule
        labelled = re.search(r"by \(job, instance, (\w+)\)|trueup_(target|set_aside|checkpoint|head_age|month)", rule.split("for:")[0])
        assert "$labels." in rule or labelled is None, rule


def test_each_alert_is_provoked() -> None:
    assert {one.alert for one in BREAKS.values()} == set(NAMES)


@pytest.mark.parametrize("one", BREAKS.values(), ids=BREAKS)
def test_what_breaks_is_told_by_its_alert_alone_and_not_at_once_however_long_it_lasts(tmp_path: Path, one: Break) -> None:
    expected: Expected = {} if one.alert == "TrueupRowsWrong" else {1: []}  # a wrong row is one too many
    expected |= {minute: [one.alert] for minute in range(one.minutes, LONG_MINUTES + 1)}
    firing(tmp_path, Scene().scraped(), one.scraped(LONG_MINUTES), expected)


def test_nobody_is_told_of_what_goes_well(tmp_path: Path) -> None:
    firing(tmp_path, Scene().scraped(), [Scene().scraped()] * LONG_MINUTES, {minute: [] for minute in range(LONG_MINUTES)})


def closed_every(secs: float, lag_minutes: int) -> Scrape:
    """A chain whose closings are due so seldom, and whose last closed block is so old."""
    scene = Scene()
    scene.asset.closes_every_secs = secs
    scene.closings_stand_still(lag_minutes)
    return scene.scraped()


def test_closings_that_are_seldom_due_are_not_late_before_three_of_them_are_overdue(tmp_path: Path) -> None:
    healthy, slow = Scene().scraped(), [closed_every(1200, lag) for lag in range(80)]
    firing(tmp_path, healthy, slow, {30: [], 60: [], 70: ["TrueupCheckpointLate"]})


def test_a_condition_that_comes_and_goes_hides_nothing(tmp_path: Path) -> None:
    late = BREAKS["the closings stand still"].scraped(LONG_MINUTES)
    away = BREAKS["Postgres goes"].scraped(LONG_MINUTES)
    broken = [(late if minute % 2 else away)[minute] for minute in range(LONG_MINUTES)]
    steady = {name: value for name, value in Scene().scraped().items() if "head_age" not in name and "at_risk" not in name}
    broken = [{name: page[name] for name in steady if name in page} for page in broken]
    firing(tmp_path, steady, broken, {20: ["TrueupCheckpointLate"], LONG_MINUTES: ["TrueupCheckpointLate"]})


def test_rows_of_a_chain_that_can_be_asked_are_too_old_whatever_another_chain_lacks(tmp_path: Path) -> None:
    scene = Scene()
    scene.view.chains["polygon"] = ChainView("polygon", rpc_configured=True, leads=False, endpoints=lambda: [FakeEndpoint(chain_ok=False)])
    scene.view.assets["MATIC"] = AssetView("MATIC", "polygon", follows=False)
    scene.aged(3700)
    firing(tmp_path, Scene().scraped(), [scene.scraped()] * 10, {10: ["TrueupNoEndpoint", "TrueupRowsTooOld"]})


def test_the_metrics_page_keeps_prometheus_conventions() -> None:
    scene = Scene()
    scene.scraped()
    metrics = scene.metrics
    metrics.requests.labels("ethereum", "https://node.example", "eth_call").inc()
    metrics.node_errors.labels("ethereum", "https://node.example", "Transient").inc()
    metrics.node_call_seconds.labels("ethereum", "https://node.example").observe(0.1)
    metrics.event_to_row_seconds.observe("AUDIO", 3.5, 200)
    assert promtool("check", "metrics", given=metrics.render()) == ""
