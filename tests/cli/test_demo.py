"""The demo as its user runs it: the whole system while its actors are killed, every row compared with the chain at the end."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import pytest


@pytest.mark.long
@pytest.mark.timeout(300)
def test_two_hundred_random_kills_a_minute_leave_every_row_right() -> None:
    words = ["--for", "20", "--wallets", "400", "--chaos", "--kills-per-minute", "200", "--no-sweep"]
    done = subprocess.run([sys.executable, "-m", "actors", "demo", *words], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    compared = re.search(r"compared (\d+) rows .* (\d+) of them touched: 0 differ", done.stdout)
    restarts = re.search(r"restarts: (\d+)", done.stdout)
    assert compared
    assert restarts
    assert int(compared[2]) > 50
    assert int(restarts[1]) > 40


@pytest.mark.long
def test_a_terminals_interrupt_ends_it_cleanly_although_all_of_its_children_are_in_the_terminal() -> None:
    command = [sys.executable, "-m", "actors", "demo", "--wallets", "50", "--no-sweep"]
    env = {**os.environ, "TRUEUP_SERVER__BIND": "127.0.0.1:0"}
    with subprocess.Popen(command, env=env, start_new_session=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as demo:
        assert demo.stdout is not None
        try:
            while "actors" not in demo.stdout.readline():
                assert demo.poll() is None
            os.killpg(demo.pid, signal.SIGINT)
            said, _ = demo.communicate(timeout=60)
        finally:
            demo.kill()
    assert demo.returncode == 0, said
    assert "Traceback" not in said
    assert said.splitlines()[-1] == "restarts: 0"
