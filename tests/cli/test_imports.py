"""What a command imports before it does anything: start-up without timing it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"trio", "httpx", "httpcore", "psycopg", "psycopg_binary", "trio_websocket", "prometheus_client", "h11", "orjson", "Crypto", "ssl", "asyncio", "urllib.request", "tomllib"}
# Of the tests and the tools beside them.
NEVER = {"eth_abi", "pytest", "hypothesis", "trustme", "actors.sandbox", "actors.doctor", "actors.cli.demo"}
SERVICE = {"trio", "httpx", "psycopg"}
LOADED = "import sys, json; from actors.cli import main; code = main(sys.argv[1:]); print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)"


def modules(*words: str) -> tuple[int, set[str]]:
    """A command's exit code, and all that it imported."""
    done = subprocess.run([sys.executable, "-c", LOADED, *words], capture_output=True, text=True)
    code, names = json.loads(done.stderr.splitlines()[-1])
    return code, set(names)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"], ["demo", "--help"], ["nonsense"]])
def test_help_and_version_import_nothing_heavy(words: list[str]) -> None:
    code, names = modules(*words)
    assert code == (2 if words == ["nonsense"] else 0)
    assert not names & (HEAVY | NEVER)


@pytest.mark.parametrize("words", [["status"], ["kill", "writer"]])
def test_asking_a_service_imports_no_service(words: list[str]) -> None:
    code, names = modules(*words, "--url", "http://127.0.0.1:1")
    assert code in (1, 2)
    assert not names & (SERVICE | NEVER)


def test_a_bad_config_is_told_before_the_service_is_imported() -> None:
    code, names = modules("run", "-c", "/nowhere.toml")
    assert code == 2
    assert not names & (SERVICE | NEVER)


def test_the_service_imports_none_of_the_other_commands_needs() -> None:
    done = subprocess.run([sys.executable, "-c", "import actors.cli.run, sys; print(*sys.modules)"], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & NEVER
