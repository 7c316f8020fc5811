"""`config/alerts.yml`: each alert fires for what it names, alone, and for nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.alerts.promtool import ALERTS, firing, promtool
from tests.alerts.scene import BREAKS, Break, Scene

NAMES = re.findall(r"- alert: (\w+)", ALERTS.read_text())


def test_prometheus_accepts_the_rules_and_there_are_at_most_a_dozen() -> None:
    assert f"{len(NAMES)} rules found" in promtool("check", "rules", ALERTS)
    assert len(NAMES) == len(set(NAMES)) <= 12


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
def test_what_breaks_is_told_by_its_alert_alone(tmp_path: Path, one: Break) -> None:
    scene = Scene()
    healthy = scene.scraped()
    one.how(scene)
    firing(tmp_path, healthy, {} if one.gone else scene.scraped(), one.minutes, [one.alert])


@pytest.mark.parametrize("one", BREAKS.values(), ids=BREAKS)
def test_what_has_been_broken_for_a_minute_wakes_nobody_yet(tmp_path: Path, one: Break) -> None:
    if one.alert == "TrueupRowsWrong":
        return  # a wrong row is one too many
    scene = Scene()
    healthy = scene.scraped()
    one.how(scene)
    firing(tmp_path, healthy, {} if one.gone else scene.scraped(), 1, [])


def test_the_metrics_page_keeps_prometheus_conventions() -> None:
    scene = Scene()
    scene.scraped()
    metrics = scene.metrics
    metrics.requests.labels("ethereum", "https://node.example", "eth_call").inc()
    metrics.node_errors.labels("ethereum", "https://node.example", "Transient").inc()
    metrics.node_call_seconds.labels("ethereum", "https://node.example").observe(0.1)
    metrics.event_to_row_seconds.observe("AUDIO", 3.5, 200)
    assert promtool("check", "metrics", given=metrics.render()) == ""
