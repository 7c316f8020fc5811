"""A thousand slow clients of a real service: they hurt each other alone."""

from __future__ import annotations

import json
import time
import urllib.request
from functools import partial
from http.client import HTTPException
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
SOON_SECS = 5  # at the least once: what pauses a busy machine does not pause it each time
GROWTH_BYTES = 40 * 2**20


def get(port: int, path: str, process: Any) -> bytes:
    """What a new client is answered; one whose place was taken asks again, as its operator's monitoring does."""
    bodies = list[bytes]()

    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
                bodies.append(answer.read())
        except (OSError, HTTPException):
            return False
        return True

    wait_until(answers, process)
    return bodies[0]


def status(port: int, process: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(get(port, "/api/status", process))
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
        get(port, "/metrics", process)
        before, ticks, took = memory_of(process.pid), 0, list[float]()
        with crowding(port, CLIENTS) as crowd:
            wait_until(lambda: crowd.met == CLIENTS, process)
            for _ in range(BLOCKS):
                town.traffic(10)
                town.mine()
                wait_until(world.is_true, process)  # whose patience is far shorter than the clients'
                began = time.monotonic()
                assert get(port, "/healthz", process) == b"ok\n"
                took.append(time.monotonic() - began)
            assert min(took) < SOON_SECS
            assert crowd.connections > CLIENTS  # who was dropped came again
            ticks = _ticked(world, process)
            found = status(port, process)
        assert [actor["restarts"] for actor in found["actors"]] == [0] * len(found["actors"])
        assert memory_of(process.pid) - before < GROWTH_BYTES
        assert ticks == LAPS
        assert len(list(Path(f"/proc/{process.pid}/fd").iterdir())) < 2 * Limits().connections
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=60)
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
