"""The fixture that all tests of the store stand on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from actors.store import schema
from actors.store.postgres import connect
from tests.store.scene import AUDIO, Store, config_of


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A database with the schema of one asset."""
    with connect(database_url) as conn:
        schema.init(conn, config_of(AUDIO))
        yield Store(conn, database_url)
