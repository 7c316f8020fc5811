"""The executable alone, on a machine that has nothing."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from actors import __version__
from tests.smoke.stranger import HIDDEN, Stranger, concealed, outermost, wait_until

pytestmark = [pytest.mark.smoke, pytest.mark.timeout(300)]
COMMANDS = ["demo", "init", "run", "doctor", "sweep", "backfill", "verify", "status", "top", "kill", "config"]


@pytest.mark.skipif(not concealed(), reason="nothing can be hidden without a user namespace")
def test_neither_the_source_nor_its_python_is_to_be_seen() -> None:
    for path in outermost(HIDDEN):
        assert path.is_dir()
        assert subprocess.run([*concealed(), "/bin/ls", "-A", str(path)], capture_output=True, check=True).stdout == b""


def test_it_says_what_it_is_and_what_it_can(stranger: Stranger) -> None:
    assert stranger.run("--version").stdout == f"trueup {__version__}\n"
    said = stranger.run("--help").stdout
    for command in COMMANDS:
        assert f"\n    {command} " in said
    assert stranger.files() == []


@pytest.mark.long
def test_every_command_has_its_help(stranger: Stranger) -> None:
    for command in COMMANDS:
        assert f"usage: trueup {command}" in stranger.run(command, "--help").stdout


def test_bad_input_is_one_line_and_exit_2(stranger: Stranger) -> None:
    bad = stranger.place / "bad.toml"
    bad.write_text("[database]\nurl = 5\n")
    for words in (["nonsense"], ["run", "-c", bad], ["run", "-c", "nowhere.toml"], ["doctor", "-c", bad]):
        done = stranger.run(*words)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
    assert stranger.files() == []


def test_a_service_that_is_not_there_is_one_line_and_exit_1(stranger: Stranger) -> None:
    done = stranger.run("status", "--url", "http://127.0.0.1:1")
    assert (done.returncode, done.stderr) == (1, "trueup: no service at http://127.0.0.1:1: Connection refused\n")


@pytest.mark.long
def test_the_demo_needs_nothing_and_every_row_is_right(stranger: Stranger) -> None:
    done = stranger.run("demo", "--for", "15", "--wallets", "300", "--chaos", secs=250)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"compared 300 rows .* 0 differ", done.stdout)
    assert stranger.files() == []
    assert stranger.processes() == []


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("setpriv") is None, reason="only root can be somebody else")
def test_the_demo_runs_as_an_ordinary_user(stranger: Stranger) -> None:
    done = stranger.run_as_nobody("demo", "--for", "2", "--wallets", "20")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 differ" in done.stdout


@pytest.mark.long
def test_a_demo_whose_visible_process_is_killed_leaves_nothing(stranger: Stranger) -> None:
    demo = stranger.start("demo", "--wallets", "20")
    assert demo.stdout is not None
    while "closed" not in demo.stdout.readline():
        assert demo.poll() is None
    # The loader, its Python, Postgres and anvil; a process that Postgres has just forked is called like Postgres for a moment.
    wait_until(lambda: len(stranger.processes()) == 4, "the four of them")
    os.kill(demo.pid, signal.SIGKILL)
    wait_until(lambda: not stranger.processes(), "its children have ended")
    demo.communicate()
    assert stranger.files() == []


def test_a_library_path_of_ones_own_is_handed_on_and_ours_is_not(stranger: Stranger) -> None:
    tool = stranger.place / "tools" / "unshare"
    assert Path(tool).is_symlink()
    tool.unlink()
    tool.write_text(f'#!/bin/sh\necho "path=$LD_LIBRARY_PATH" >{stranger.place}/said\nexit 1\n')
    tool.chmod(0o755)
    stranger.run("demo", "--for", "1", "--wallets", "1", LD_LIBRARY_PATH="/somewhere", secs=60)
    assert (stranger.place / "said").read_text() == "path=/somewhere\n"
