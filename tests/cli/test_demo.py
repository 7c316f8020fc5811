"""The demo as its user runs it: the whole system while its actors are killed, every row compared with the chain at the end."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest


@pytest.mark.long
@pytest.mark.timeout(120)
def test_two_hundred_random_kills_a_minute_leave_every_row_right() -> None:
    words = ["--for", "20", "--wallets", "400", "--chaos", "--kills-per-minute", "200", "--no-sweep"]
    done = subprocess.run([sys.executable, "-m", "actors", "demo", *words], capture_output=True, text=True, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    compared = re.search(r"compared (\d+) rows .* (\d+) of them touched: 0 differ", done.stdout)
    restarts = re.search(r"restarts: (\d+)", done.stdout)
    assert compared
    assert restarts
    assert int(compared[2]) > 50
    assert int(restarts[1]) > 40
