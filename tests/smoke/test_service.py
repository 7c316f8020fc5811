"""The executable on one's own Postgres and node."""

from __future__ import annotations

import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from actors.sandbox.process import free_port
from actors.sandbox.town import Town
from tests.notify_socket import NotifySocket
from tests.role import ROLE
from tests.smoke.stranger import Stranger, wait_until
from tests.world import World

pytestmark = [pytest.mark.smoke, pytest.mark.timeout(300)]
TOKEN = "s3cret-token"
CHAOS = f'[chaos]\nenabled = true\ntoken = "{TOKEN}"'


@pytest.fixture
def world(tmp_path: Path, database_url: str, town: Town, stranger: Stranger) -> World:
    world = World(stranger.place, database_url, town, extra=CHAOS, chain="confirm_secs = 0.5")
    world.query("DROP TABLE eth_wallet_balances, eth_indexer_checkpoints")
    return world


def init(world: World, stranger: Stranger) -> str:
    """As the tables' owner, and the service's own role may do what it must; what it said."""
    done = stranger.run("init", "-c", world.path, "--role", ROLE, TRUEUP_DATABASE__URL=world.database)
    assert done.returncode == 0, done
    return done.stdout


def is_ready(url: str) -> Callable[[], bool]:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.HTTPError, OSError):
            return False

    return answers


def ended(process: subprocess.Popen[str], code: int) -> None:
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, (out, err)


@pytest.mark.long
def test_every_command_does_its_work(world: World, stranger: Stranger) -> None:
    town, config = world.town, ("-c", str(world.path))
    bind = f"127.0.0.1:{free_port()}"
    url = ("--url", f"http://{bind}")
    assert "made table public.eth_wallet_balances" in init(world, stranger)
    assert "nothing to do" in init(world, stranger)
    town.traffic(30)
    town.mine()
    assert stranger.run("doctor", *config, "--quick").returncode == 0
    assert stranger.run("backfill", *config, "--from-block", "0").returncode == 0
    assert set(town.wallets) <= set(world.rows())
    service = stranger.start("run", *config, TRUEUP_SERVER__BIND=bind)
    wait_until(is_ready(url[1]), "ready")
    assert "writer" in stranger.run("status", *url).stdout
    assert stranger.run("kill", "writer", *url, TRUEUP_CHAOS_TOKEN=TOKEN).stdout == "killed writer\n"
    town.traffic(30)
    town.mine()
    wait_until(world.is_true, "the rows are true")
    ended(service, 0)
    assert stranger.run("sweep", *config).returncode == 0
    verified = stranger.run("verify", *config, "--all")
    assert (verified.returncode, " 0 wrong" in verified.stdout) == (0, True), verified
    assert stranger.files() == []
    assert stranger.processes() == []


def test_two_at_once_share_the_work_and_systemd_hears_of_each(world: World, stranger: Stranger) -> None:
    init(world, stranger)
    with NotifySocket() as one, NotifySocket() as two:
        services = [stranger.start("run", "-c", world.path, NOTIFY_SOCKET=reader.name, WATCHDOG_USEC="1000000") for reader in (one, two)]
        for reader in (one, two):
            assert reader.wait_for(lambda _: True) == {"READY": "1"}
            reader.wait_for(lambda message: "WATCHDOG" in message)
        wait_until(lambda: world.marks() is not None, "one of them follows")
        world.town.traffic(20)
        world.town.mine()
        wait_until(world.is_true, "the rows are true")
        for service in services:
            ended(service, 0)
    assert stranger.files() == []


def test_the_watchdog_that_systemd_gives_to_the_loader_is_fed(world: World, stranger: Stranger) -> None:
    """The loader's PID is known once it runs: a shell that it replaces knows it before."""
    init(world, stranger)
    with NotifySocket() as reader:
        shell = 'export WATCHDOG_PID=$$; exec "$@"'
        env = {**stranger.env, "NOTIFY_SOCKET": reader.name, "WATCHDOG_USEC": "1000000"}
        command = ["/bin/sh", "-c", shell, "sh", str(stranger.binary), "run", "-c", str(world.path)]
        process = stranger.keep(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        reader.wait_for(lambda message: "WATCHDOG" in message)
        ended(process, 0)


def test_a_signal_to_the_visible_process_reaches_the_service(world: World, stranger: Stranger) -> None:
    init(world, stranger)
    with NotifySocket() as reader:
        service = stranger.start("run", "-c", world.path, NOTIFY_SOCKET=reader.name)
        reader.wait_for(lambda message: "READY" in message)
        world.path.write_text(world.path.read_text().replace("batch_size = 50", "batch_size = 60"))
        service.send_signal(signal.SIGHUP)
        assert service.stderr is not None
        while "sweeper.batch_size 50 -> 60" not in (line := service.stderr.readline()):
            assert line, "it ended"
        ended(service, 0)


def test_a_service_whose_visible_process_is_killed_ends_cleanly_and_leaves_nothing(world: World, stranger: Stranger) -> None:
    init(world, stranger)
    service = stranger.start("run", "-c", world.path)
    wait_until(lambda: world.marks() is not None, "it follows")
    assert len(stranger.processes()) == 2
    os.kill(service.pid, signal.SIGKILL)
    wait_until(lambda: not stranger.processes(), "its child has ended")
    assert world.query("SELECT count(*) FROM trueup_leases WHERE until > now()") == [(0,)]
    assert "stops" in service.communicate()[1]
    assert stranger.files() == []


def test_the_executable_may_be_replaced_while_it_runs(world: World, stranger: Stranger) -> None:
    init(world, stranger)
    bind = f"127.0.0.1:{free_port()}"
    service = stranger.start("run", "-c", world.path, TRUEUP_SERVER__BIND=bind)
    wait_until(is_ready(f"http://{bind}"), "ready")
    stranger.binary.unlink()
    stranger.binary.write_text("#!/bin/sh\nexit 5\n")
    world.town.traffic(20)
    world.town.mine()
    wait_until(world.is_true, "the rows are true")
    with urllib.request.urlopen(f"http://{bind}/metrics", timeout=60) as answer:
        assert answer.status == 200
    ended(service, 0)
    assert stranger.files() == []
