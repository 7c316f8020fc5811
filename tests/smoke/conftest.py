"""The executable that the smoke suite is about: $TRUEUP_BINARY, else the one that `just build` made."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.smoke.stranger import REPOSITORY, Stranger


@pytest.fixture(scope="session")
def binary() -> Path:
    """Where it is."""
    named = os.environ.get("TRUEUP_BINARY")
    path = Path(named) if named else REPOSITORY / "dist" / "trueup"
    if not path.exists():
        pytest.skip("there is no dist/trueup: `just build` makes it")
    return path


@pytest.fixture
def stranger(binary: Path) -> Iterator[Stranger]:
    """Somebody who has nothing but the executable; whatever of theirs still runs at the end is killed."""
    with Stranger(binary) as stranger:
        yield stranger
