"""The coverage-guided runner: it runs every target, and makes a finding small and reproducible."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import __main__ as runner
from tests.fuzz.__main__ import Outcome
from tests.fuzz.finding import smaller
from tests.fuzz.targets import names


@pytest.fixture(autouse=True)
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found and kept is the test's own."""
    monkeypatch.setattr(runner, "CORPUS", tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("name", names())
def test_a_target_runs_by_coverage(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = runner.main([name, "--runs", "80", "--seed", "1"])
    said = capsys.readouterr().out
    assert found == 0, said
    assert [line.split()[0] for line in said.splitlines()] == [name]
    assert " 0 edges" not in said


def test_every_target_runs_where_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = []

    def fuzzed(name: str, *asked: object) -> Outcome:
        ran.append(name)
        return Outcome(runs=1, secs=0, edges=1, inputs=1, found=None, words="")

    monkeypatch.setattr(runner, "run", fuzzed)
    assert runner.main([]) == 0
    assert ran == names()


def test_a_finding_becomes_small() -> None:
    def target(data: bytes) -> None:
        if b"x" in data and len(data) > 2:
            raise ValueError(data)

    assert sorted(smaller(target, b"abcdefgxhijkl")) == [0, 0, ord("x")]


def test_a_finding_is_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    assert runner.main(["header", "--data", "00"]) == 0
    assert "keeps its promises" in capsys.readouterr().out


def test_a_name_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        runner.main(["nonsense"])
    assert "no such target: nonsense" in capsys.readouterr().err
