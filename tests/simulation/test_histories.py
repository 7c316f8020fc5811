"""The gate's fixed set of histories, and that a seed means the same in every process."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.simulation import bugs
from tests.simulation.history import run

# Seeds under which a promise was once broken, each mended since, and some more beside them.
ONCE_BROKEN = (
    5, 14, 22, 26, 31, 36, 52, 59, 62, 75, 78, 93, 100, 102, 114, 115, 119, 140, 146, 158, 180, 183, 184, 194, 196, 199, 206, 229, 234,
    243, 265, 275, 292, 294, 302, 357, 1045, 1196, 1432, 20_040,
)  # fmt: skip
OTHERS = tuple(range(10_001, 10_016))
TWICE = "from tests.simulation.history import run\nfor seed in (3, 6, 17): print(run(seed).digest)"


@pytest.mark.parametrize("seed", ONCE_BROKEN + OTHERS)
def test_no_promise_is_broken_in_the_history(seed: int) -> None:
    report = run(seed)
    assert report.broken is None, f"`just simulate --seed {seed}` shows it"


def test_a_seed_gives_the_same_trace_in_every_process() -> None:
    said = [
        subprocess.run(
            [sys.executable, "-c", TWICE], env={**os.environ, "PYTHONHASHSEED": number}, capture_output=True, text=True, check=True
        ).stdout
        for number in ("1", "2")
    ]
    assert said[0] == said[1]
    assert len(set(said[0].split())) == 3


@pytest.mark.parametrize("one", bugs.BUGS, ids=lambda one: one.name)
def test_every_known_bug_can_still_be_planted(one: bugs.Bug, tmp_path: object) -> None:
    for name, right, wrong in one.patches:
        text = (bugs.ROOT / name).read_text()
        assert text.count(right) == 1, name
        compile(text.replace(right, wrong), name, "exec")


@pytest.mark.parametrize("name", ["checkpoint before the rows", "lag taken for a reorg"])
def test_the_simulation_sees_a_bug_that_is_planted(name: str) -> None:
    (one,) = [one for one in bugs.BUGS if one.name == name]
    needed, _ = bugs.hunt(one, 40)
    assert needed is not None
