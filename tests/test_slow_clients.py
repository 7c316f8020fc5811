"""A thousand slow clients of a real service: they hurt each other alone."""

from __future__ import annotations

import json
import time
import urllib.request
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from actors.http_server import Limits
from actors.sandbox.process import free_port
from actors.sandbox.town import Town
from tests.crowd import crowding, more_files
from tests.process import start, wait_until
from tests.world import World

CLIENTS = 1000
BLOCKS, LAPS = 12, 3
GROWTH_BYTES = 40 * 2**20


def get(port: int, path: str) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        body: bytes = answer.read()
        return body


def answers(port: int) -> bool:
    """Whether a new client is answered; one whose place was taken asks again, as its operator's monitoring does."""
    try:
        return get(port, "/healthz") == b"ok\n"
    except OSError:
        return False


def status(port: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(get(port, "/api/status"))
    return found


def memory_of(pid: int) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


@pytest.mark.long
def test_a_thousand_slow_clients_neither_slow_the_actors_nor_shut_others_out(tmp_path: Path, database_url: str, town: Town) -> None:
    more_files(4096)
    port = free_port()
    world = World(tmp_path, database_url, town, interval=0.2, batch=5, chain="confirm_secs = 0.3")
    world.path.write_text(world.path.read_text().replace('bind = ""', f'bind = "127.0.0.1:{port}"'))
    process = start(world)
    try:
        wait_until(lambda: world.marks() is not None, process)
        town.traffic(10)
        town.mine()
        wait_until(world.is_true, process)
        get(port, "/metrics")
        before, ticks = memory_of(process.pid), 0
        with crowding(port, CLIENTS) as crowd:
            wait_until(lambda: crowd.met == CLIENTS, process)
            for _ in range(BLOCKS):
                town.traffic(10)
                town.mine()
                wait_until(world.is_true, process)  # whose patience is far shorter than the clients'
                wait_until(lambda: answers(port), process)
            assert crowd.connections > CLIENTS  # who was dropped came again
            ticks = _ticked(world, process)
            found = status(port)
        assert [actor["restarts"] for actor in found["actors"]] == [0] * len(found["actors"])
        assert memory_of(process.pid) - before < GROWTH_BYTES
        assert ticks == LAPS
        assert len(list(Path(f"/proc/{process.pid}/fd").iterdir())) < 2 * Limits().connections
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 0, said


def _ticked(world: World, process: Any) -> int:
    """So many more sweeps have gone over the rows, the crowd being there."""
    for _ in range(LAPS):
        now = time.time()
        wait_until(partial(_swept_since, world, now), process)
    return LAPS


def _swept_since(world: World, moment: float) -> bool:
    oldest = world.query("SELECT min(extract(epoch FROM updated_at::timestamptz)) FROM eth_wallet_balances")
    return float(oldest[0][0]) > moment
