"""A file to write a config into, and no secret of one test left for the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors import secrets


@pytest.fixture(autouse=True)
def _no_secrets_left() -> Iterator[None]:
    secrets.clear()
    yield
    secrets.clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trueup.toml"
