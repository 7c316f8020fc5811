"""The peers: each in an environment of its own under `.peers`, with the versions that its folder here pins.

A peer that cannot be installed is reported, and what it was to be compared with is measured all the same.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors.errors import TrueupError
from bench.service import Done, measured

HERE = Path(__file__).parent
INSTALLED = HERE.parent / ".peers"
PEERS = ("multicall_py", "dank_mids", "viem", "ponder", "cryo")
INSTALL_SECS = 900
Said = dict[str, Any]


def is_python(name: str) -> bool:
    """Whether it comes from PyPI; the others are npm's."""
    return (HERE / name / "requirements.txt").exists()


def versions(name: str) -> str:
    """What is pinned."""
    if is_python(name):
        return ", ".join((HERE / name / "requirements.txt").read_text().split())
    wanted: dict[str, str] = json.loads((HERE / name / "package.json").read_text())["dependencies"]
    return ", ".join(f"{package}@{version}" for package, version in wanted.items())


def installed(name: str) -> bool:
    """Whether it is there in the versions that are pinned."""
    mark = INSTALLED / name / "versions"
    return mark.exists() and mark.read_text() == versions(name)


def install(name: str) -> str | None:
    """Install a peer unless it is there. Why it could not be, else None."""
    if installed(name):
        return None
    place = INSTALLED / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    commands = _by_uv(name, place) if is_python(name) else [_by_npm(name, place)]
    try:
        for command in commands:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECS, cwd=place)
    except subprocess.CalledProcessError as error:
        return re.sub(r"https?://\S+", "(a registry)", (error.stderr or error.stdout).strip())[-300:]
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    (place / "versions").write_text(versions(name))
    return None


def _by_uv(name: str, place: Path) -> list[list[str]]:
    uv = os.environ.get("UV") or shutil.which("uv") or str(HERE.parents[1] / ".uv/bin/uv")
    wanted = str(HERE / name / "requirements.txt")
    # A peer's wheels may be for some versions of Python only: the one that runs this is the one that the others were tried with.
    return [
        [uv, "venv", "-q", "--python", sys.executable, str(place / "venv")],
        [uv, "pip", "install", "-q", "--python", str(place / "venv/bin/python"), "--exclude-newer", "2026-11-01", "-r", wanted],
    ]


def _by_npm(name: str, place: Path) -> list[str]:
    shutil.copy(HERE / name / "package.json", place)
    return ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--omit=dev"]


def missing(names: Sequence[str], may_install: bool) -> dict[str, str]:
    """Those that are not there, and why; the others are."""
    found: dict[str, str] = {}
    for name in names:
        if installed(name):
            continue
        if not may_install:
            found[name] = "not installed"
            continue
        print(f"  installing {name}: {versions(name)}")
        if (why := install(name)) is not None:
            found[name] = f"could not be installed: {why}"
    return found


def command(name: str, driver: str, *words: str | Path | int | float) -> list[str]:
    """How a driver of a peer is started. npm's drivers are copied to where their packages are."""
    place = INSTALLED / name
    if is_python(name):
        return [str(place / "venv/bin/python"), str(HERE / name / driver), *map(str, words)]
    shutil.copytree(HERE / name, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("package.json"))
    return ["node", str(place / driver), *map(str, words)]


def drive(name: str, driver: str, *words: str | Path | int | float) -> tuple[Said, Done]:
    """Run a driver to its end: the JSON object in its last line, and what it used."""
    done = measured(command(name, driver, *words))
    try:
        said: Said = json.loads(done.out.strip().splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise TrueupError(f"{name}: {driver} said nothing: {done.out[-300:]}") from error
    return said, done
