"""The program as a process of its own, that a test starts; and the end of each."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.world import PATIENCE_SECS, World

_started: list[subprocess.Popen[str]] = []


def trueup(*words: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run one command to its end."""
    command = [sys.executable, "-m", "actors", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, env={**os.environ, **env})


def start(world: World) -> subprocess.Popen[str]:
    """The service, until the test ends it, and at the latest until the test ends."""
    command = [sys.executable, "-m", "actors", "run", "-c", str(world.path)]
    _started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    return _started[-1]


def wait_until(state: Callable[[], bool], process: subprocess.Popen[Any]) -> None:
    """Wait for a state that a running process brings about."""
    deadline = time.monotonic() + PATIENCE_SECS
    while not state():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "the state did not come about"
        time.sleep(0.02)


def reap_all() -> None:
    """A test that fails leaves nobody behind, for whom the next ones would be blamed."""
    while _started:
        reap(_started.pop())


def reap(process: subprocess.Popen[Any]) -> None:
    """Whether it runs or not: nothing of it is left, its pipes neither, which the collector would lay at another test's door."""
    process.kill()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()
    process.wait(timeout=60)
