"""What the doctor says of archives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from actors.config import load
from actors.doctor import archives
from actors.doctor.finding import Finding
from actors.doctor.node import probe as probing
from actors.evm.http import HttpClient
from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from tests.proxy import Fault, Proxy, open_proxy
from tests.proxy_faults import OtherChain
from tests.proxy_limits import Pruned


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "PAUSE_SECS", (0.01, 0.05))


async def look(folder: Path, town: Town, client: HttpClient, urls: Sequence[str], quick: bool = False) -> list[Finding]:
    path = folder / "trueup.toml"
    chain = town.toml(ws=False, chain=f"archive = {json.dumps(list(urls))}")
    path.write_text('[database]\nurl = "postgresql://nobody@127.0.0.1:1/none"\n' + chain)
    return await archives.look(client, load(str(path), {}), quick)


async def test_an_archive_serves_the_state_of_all_blocks(
    tmp_path: Path, measured_town: tuple[Anvil, Town], limited: Proxy, client: HttpClient
) -> None:
    (found,) = await look(tmp_path, measured_town[1], client, [limited.http])
    assert (found.ok, found.fix) == (True, "")
    assert any("archive: all" in line for line in found.details)


@pytest.mark.parametrize(
    ("fault", "ok", "says"),
    [(Pruned(128), True, "serves state 128 blocks back"), (OtherChain(5), False, "is chain 5, not 31337")],
    ids=["pruned", "another chain"],
)
async def test_what_is_no_archive_is_said(
    tmp_path: Path, measured_town: tuple[Anvil, Town], limited: Proxy, client: HttpClient, fault: Fault, ok: bool, says: str
) -> None:
    with limited.fault(fault):
        (found,) = await look(tmp_path, measured_town[1], client, [limited.http])
    assert (found.ok, found.fix) == (ok, archives.OTHER)
    assert says in found.text


async def test_each_archive_is_looked_at_in_the_configs_order_also_where_one_is_dead(
    tmp_path: Path, measured_town: tuple[Anvil, Town], chain_of_logs: Anvil, limited: Proxy, client: HttpClient
) -> None:
    async with open_proxy(chain_of_logs) as other:
        found = await look(tmp_path, measured_town[1], client, [limited.http, "http://127.0.0.1:1", other.http], quick=True)
    assert [each.ok for each in found] == [True, False, True]
