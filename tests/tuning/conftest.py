"""Each test's history is the same each time, as the simulation's are."""

from __future__ import annotations

import pytest

from tests.simulation.history import seed_the_scheduler


@pytest.fixture(autouse=True)
def _seeded() -> None:
    seed_the_scheduler(0)
