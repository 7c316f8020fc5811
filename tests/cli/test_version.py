"""`trueup --version`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from actors import __version__
from actors.cli import main

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_it_says_name_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"trueup {__version__}\n"


def test_it_is_the_packages() -> None:
    assert tomllib.loads(PROJECT.read_text())["project"]["version"] == __version__
