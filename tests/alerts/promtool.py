"""Prometheus's own judgement: its tool checks a page of metrics, and evaluates alerts over series made from what was scraped."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

PROMTOOL = "promtool"
ALERTS = Path(__file__).parents[2] / "config" / "alerts.yml"
HEALTHY_MINUTES = 60
Scrape = dict[str, float]


def promtool(*words: str | Path, given: bytes = b"") -> str:
    """What it says; fails the test where it complains or is missing."""
    try:
        done = subprocess.run([PROMTOOL, *map(str, words)], input=given, capture_output=True, timeout=60)
    except FileNotFoundError:
        raise AssertionError("promtool is missing: install Prometheus (apt-get install prometheus)") from None
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def scrape(page: bytes) -> Scrape:
    """Each series of a page, with the labels that Prometheus adds to it."""
    found = {}
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            labels = {**sample.labels, "job": "trueup", "instance": "a"}
            words = ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
            found[f"{sample.name}{{{words}}}"] = sample.value
    return found


def _values(healthy: float | None, broken: float | None, minutes: int) -> str:
    """One sample a minute; a series that ends is marked as Prometheus marks it."""
    before = f"_x{HEALTHY_MINUTES}" if healthy is None else f"{healthy!r}+0x{HEALTHY_MINUTES - 1}"
    return f"{before} stale" if broken is None else f"{before} {broken!r}+0x{minutes}"


def firing(folder: Path, healthy: Scrape, broken: Scrape, minutes: int, expected: list[str]) -> None:
    """A service that was healthy for an hour and has been broken for so many minutes: just these alerts fire, and none did before."""
    series = [
        {"series": name, "values": _values(healthy.get(name), broken.get(name), minutes)} for name in sorted(healthy.keys() | broken.keys())
    ]
    expr = 'count by (alertname) (ALERTS{alertstate="firing"} > 0)'
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in expected]
    asked = [
        {"expr": expr, "eval_time": f"{HEALTHY_MINUTES - 1}m", "exp_samples": []},
        {"expr": expr, "eval_time": f"{HEALTHY_MINUTES + minutes}m", "exp_samples": samples},
    ]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": asked}
    path = folder / "alerts_test.yml"  # JSON is YAML
    path.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}))
    promtool("test", "rules", path)
