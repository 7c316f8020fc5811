"""A world behind one endpoint or two, each of which can be given faults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from tests.proxy import Proxy, open_proxy
from tests.proxy_world import Behind, world_behind


@pytest.fixture
def behind(tmp_path: Path, database_url: str, town: Town) -> Behind:
    """Makes the world, of the proxies and what else its config says."""
    return partial(world_behind, tmp_path, database_url, town)


@pytest.fixture
async def proxy(anvil: Anvil) -> AsyncIterator[Proxy]:
    """The only endpoint."""
    async with open_proxy(anvil) as proxy:
        yield proxy


@pytest.fixture
async def first(anvil: Anvil) -> AsyncIterator[Proxy]:
    """The preferred one of two."""
    async with open_proxy(anvil) as proxy:
        yield proxy


@pytest.fixture
async def second(anvil: Anvil) -> AsyncIterator[Proxy]:
    """The other one."""
    async with open_proxy(anvil) as proxy:
        yield proxy
