"""Prometheus's own judgement: its tool checks a page of metrics, and evaluates alerts over series made from what was scraped."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

PROMTOOL = "promtool"
ALERTS = Path(__file__).parents[2] / "config" / "alerts.yml"
HEALTHY_MINUTES = 60
Scrape = dict[str, float]
Expected = dict[int, list[str]]


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


def _values(healthy: float | None, broken: list[float | None]) -> str:
    """One sample a minute; where a series ends that is marked as Prometheus marks it."""
    before = f"_x{HEALTHY_MINUTES}" if healthy is None else f"{healthy!r}+0x{HEALTHY_MINUTES - 1}"
    return " ".join([before, *("stale" if value is None else repr(value) for value in broken)])


def _asked(minute: int, names: list[str]) -> dict[str, Any]:
    samples = [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in names]
    expr = 'count by (alertname) (ALERTS{alertstate="firing"} > 0)'
    return {"expr": expr, "eval_time": f"{HEALTHY_MINUTES - 1 + minute}m", "exp_samples": samples}


def firing(folder: Path, healthy: Scrape, broken: list[Scrape], expected: Expected) -> None:
    """A service that was healthy for an hour, then broken, by the minute: just these alerts fire so many minutes later, and none did before."""
    names = sorted(set(healthy).union(*broken))
    series = [{"series": name, "values": _values(healthy.get(name), [page.get(name) for page in broken])} for name in names]
    asked = [_asked(minute, names) for minute, names in {0: list[str](), **expected}.items()]
    test = {"interval": "1m", "input_series": series, "promql_expr_test": asked}
    path = folder / "alerts_test.yml"  # JSON is YAML
    path.write_text(json.dumps({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": [test]}))
    promtool("test", "rules", path)
