"""SIGHUP to the program itself, on a real chain and a real Postgres, under traffic."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.sandbox.process import free_port
from actors.sandbox.town import Town
from tests.world import PATIENCE_SECS, World


class Service:
    """`trueup run`, its log, its status, and its config file."""

    def __init__(self, world: World) -> None:
        self.world, self._log, self._port = world, world.path.with_suffix(".log"), free_port()
        self.change('bind = ""', f'bind = "127.0.0.1:{self._port}"')
        with self._log.open("w") as log:
            command = [sys.executable, "-m", "actors", "run", "-c", str(world.path)]
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)

    def change(self, old: str, new: str) -> None:
        """Change the config file, as an editor does: whoever reads it meanwhile finds the old one or the new one."""
        text, path = self.world.path.read_text(), self.world.path
        assert text.count(old) == 1, old
        written = path.with_suffix(".new")
        written.write_text(text.replace(old, new))
        written.replace(path)

    def hang_up(self) -> None:
        """Send SIGHUP."""
        self.process.send_signal(signal.SIGHUP)

    def log(self) -> str:
        """All that was said."""
        return self._log.read_text()

    def until(self, state: Callable[[], bool], what: str) -> None:
        """Wait for a state."""
        deadline = time.monotonic() + PATIENCE_SECS
        while not state():
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, f"{what} did not come about: {self.log()}"
            time.sleep(0.02)

    def says(self, *words: str, times: int = 1) -> None:
        """Wait for lines of the log."""
        for word in words:
            self.until(lambda word=word: self.log().count(word) >= times, word)  # type: ignore[misc]

    def get(self, path: str) -> str:
        """What the server answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=30) as answer:
            return str(answer.read().decode())

    def config(self) -> dict[str, Any]:
        """What the status says of the config."""
        return dict(json.loads(self.get("/api/status"))["config"])

    def metric(self, name: str) -> float:
        """A metric without labels."""
        return next(float(line.split()[1]) for line in self.get("/metrics").splitlines() if line.startswith(f"{name} "))

    def stop(self) -> None:
        """A clean end."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(60) == 0, self.log()
        assert "Traceback" not in self.log()


@pytest.fixture
def starting(tmp_path: Path, database_url: str, town: Town) -> Iterator[Service]:
    """One that was started a moment ago."""
    service = Service(World(tmp_path, database_url, town, chain="confirm_secs = 0.3"))
    yield service
    if service.process.poll() is None:
        service.process.kill()
        service.process.wait()


@pytest.fixture
def service(starting: Service) -> Service:
    """One that follows its chain."""
    starting.until(lambda: starting.world.marks() is not None, "the first checkpoint")
    return starting


def test_a_good_file_is_taken_a_bad_one_refused_and_what_needs_a_restart_named(service: Service) -> None:
    town, began = service.world.town, service.config()["loaded_at"]
    town.traffic(20)
    service.change("batch_size = 50", "batch_size = 200")
    service.hang_up()
    service.says("config: sweeper.batch_size 50 -> 200")
    taken = service.config()
    assert (taken["error"], taken["restart_needed"]) == (None, [])
    assert taken["loaded_at"] > began

    service.change("batch_size = 200", 'batch_size = "many"')
    service.change("confirm_secs = 0.3", "confirm_secs = 0.2")
    town.traffic(20)
    service.hang_up()
    service.says('ERROR config config: nothing changes: ', 'key sweeper.batch_size: expected a whole number, got "many"')
    refused = service.config()
    assert "key sweeper.batch_size" in refused["error"]
    assert refused["loaded_at"] == taken["loaded_at"]
    assert service.metric("trueup_config_reload_success") == 0
    assert "confirm_secs" not in service.log()  # the good half of it neither

    service.change('batch_size = "many"', "batch_size = 100")
    service.change(service.world.config.database.url, "postgresql://postgres:s3cretword@127.0.0.1:1/elsewhere")
    service.change("chain_id = 31337", "chain_id = 31338")
    town.traffic(20)
    service.hang_up()
    service.says(
        "config: sweeper.batch_size 200 -> 100",
        "config: chain.town.confirm_secs 0.3 -> 0.2",
        "WARNING config config: left as it is until a restart: database.url, chain.town.chain_id",
    )
    assert service.config()["error"] is None
    assert service.config()["restart_needed"] == ["database.url", "chain.town.chain_id"]
    assert service.metric("trueup_config_reload_success") == 1
    assert abs(service.metric("trueup_config_last_reload_success_timestamp_seconds") - time.time()) < 30
    assert "s3cretword" not in service.log() + service.get("/api/status")

    service.world.path.unlink()
    service.hang_up()
    service.says("config: nothing changes: ", "no such file")

    os.mkfifo(service.world.path)  # whose reader waits for ever, and holds up nobody
    service.hang_up()
    town.traffic(20)
    town.mine()
    service.until(service.world.is_true, "true rows")
    assert "no such file" in service.config()["error"]
    service.stop()


def test_the_log_is_as_talkative_and_of_the_form_that_the_file_says_now(service: Service) -> None:
    service.change("[sweeper]", '[log]\nlevel = "error"\n[sweeper]')
    service.hang_up()
    service.says('config: log.level "info" -> "error"')  # said before the level that would leave it out
    service.world.town.traffic(20)
    quiet, loaded_at = len(service.log()), service.config()["loaded_at"]
    service.change("batch_size = 50", "batch_size = 60")
    service.hang_up()
    service.until(lambda: bool(service.config()["loaded_at"] > loaded_at), "a change that nothing is said of")
    service.change('level = "error"', 'level = "info"\nformat = "json"')
    service.hang_up()
    service.says('config: log.level \\"error\\" -> \\"info\\"', 'config: log.format \\"console\\" -> \\"json\\"')
    lines = [json.loads(line) for line in service.log()[quiet:].splitlines()]
    assert all(line["level"] != "debug" for line in lines)
    service.change('format = "json"', 'format = "console"')
    service.hang_up()
    service.says('INFO config config: log.format "json" -> "console"')
    service.world.town.mine()
    service.until(service.world.is_true, "true rows")
    service.stop()


def _holds_back(process: subprocess.Popen[Any]) -> bool:
    """Whether SIGHUP waits there for its time."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    mask = next(line.split()[1] for line in status.splitlines() if line.startswith("SigBlk"))
    return bool(int(mask, 16) >> (signal.SIGHUP - 1) & 1)


def test_signals_while_it_starts_and_while_it_stops_end_nothing(starting: Service) -> None:
    service = starting
    service.until(lambda: _holds_back(service.process), "the mask")
    while "holds the role" not in service.log():
        assert service.process.poll() is None, service.log()
        service.hang_up()
        time.sleep(0.01)
    service.says("config: nothing has changed")
    service.until(lambda: service.world.marks() is not None, "the first checkpoint")
    service.world.town.traffic(20)
    service.world.town.mine()
    service.until(service.world.is_true, "true rows")
    service.process.send_signal(signal.SIGTERM)
    while service.process.poll() is None:
        service.hang_up()
        service.process.send_signal(signal.SIGTERM)
        service.process.send_signal(signal.SIGINT)
        time.sleep(0.005)
    assert service.process.returncode == 0, service.log()


def test_any_files_one_after_the_other_under_traffic_lose_nothing(service: Service) -> None:
    """Good ones, bad ones, ones that need a restart; signals that come faster than the file is read."""
    world, rng = service.world, random.Random(7)
    good = world.path.read_text()
    spoiled: list[Callable[[str], str]] = [
        lambda text: text[: rng.randrange(len(text))],
        lambda text: text.replace("[sweeper]", "[sweeper]\nno_such_key = 1"),
        lambda text: text.replace("chain_id = 31337", f"chain_id = {rng.randrange(1, 99)}"),
        lambda text: text.replace('table = "eth_wallet_balances"', 'table = "elsewhere"'),
        lambda text: text + "\n\x00",
        lambda text: "",
    ]
    for number in range(40):
        text = good.replace("confirm_secs = 0.3", f"confirm_secs = {rng.uniform(0.1, 1):.2f}")
        text = text.replace("batch_size = 50", f"batch_size = {rng.randrange(1, 100)}").replace("= 3600", f"= {rng.choice((0.05, 1, 3600))}")
        follow, reads = rng.choice(("logs", "heads")), rng.choice(("auto", "packed", "multicall3", "deployless"))
        limits = f"holders_per_call = {rng.randrange(1, 50)}\ncalls_in_flight = {rng.randrange(1, 5)}"
        text = text.replace('name = "town"\n', f'name = "town"\nfollow = "{follow}"\nreads = "{reads}"\n{limits}\n', 1)
        world.path.write_text(text if rng.random() < 0.5 else rng.choice(spoiled)(text))
        world.town.traffic(rng.randrange(1, 6))
        for _ in range(rng.randrange(1, 4)):
            service.hang_up()
        if number % 8 == 0:
            time.sleep(0.3)
    world.path.write_text(good)
    before = service.config()["loaded_at"]
    service.hang_up()
    service.until(lambda: service.config()["loaded_at"] > before and service.config()["restart_needed"] == [], "the good file")
    world.town.mine()
    service.until(world.is_true, "true rows")
    assert not [actor for actor in json.loads(service.get("/api/status"))["actors"] if actor["restarts"]]
    service.stop()
