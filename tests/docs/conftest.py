"""A reader with a town on chain 1, which the pages' configs name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from tests.docs.reader import Reader


@pytest.fixture
def reader(tmp_path: Path, database_url: str) -> Iterator[Reader]:
    with Anvil(options=["--chain-id", "1"]) as anvil, Reader(tmp_path, database_url, anvil, Town(anvil, wallets=20)) as reader:
        yield reader
