"""The systemd unit: systemd itself takes it, and its times fit the config's."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from actors import notifier
from actors.config import SupervisorConfig

UNIT = Path(__file__).parents[2] / "config" / "trueup.service"
needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze")
MOST_EXPOSED = 2.0


@pytest.fixture
def service() -> configparser.SectionProxy:
    """Its [Service]."""
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign, assignment]  # keys have capitals
    unit.read(UNIT)
    return unit["Service"]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy whose program exists."""
    copy = tmp_path / "trueup.service"
    copy.write_text(UNIT.read_text().replace("/usr/local/bin/trueup", shutil.which("true") or "/bin/true"))
    return copy


@needs_systemd
def test_systemd_finds_nothing_amiss(installed: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", installed], capture_output=True, text=True)
    assert [line for line in done.stderr.splitlines() if installed.name in line] == []
    assert done.returncode == 0


@needs_systemd
def test_what_it_may_do_is_little(installed: Path) -> None:
    done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", installed], capture_output=True, text=True)
    level = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert level
    assert float(level[1]) <= MOST_EXPOSED


def test_a_clean_stop_and_a_start_without_postgres_have_their_time(service: configparser.SectionProxy) -> None:
    assert float(service["TimeoutStopSec"]) > SupervisorConfig().grace_secs
    assert float(service["TimeoutStartSec"]) > SupervisorConfig().grace_secs


def test_the_feeding_goes_on_while_the_supervisor_can_help(service: configparser.SectionProxy) -> None:
    """Its watchdog kills after `progress_secs`, and looks four times in that time."""
    assert notifier.BEYOND_HELP > 1.25
    assert float(service["WatchdogSec"]) >= notifier.FEEDS * notifier.STATUS_EVERY_SECS


def test_the_child_of_the_loader_may_speak_and_the_loader_gets_the_signals(service: configparser.SectionProxy) -> None:
    assert (service["Type"], service["NotifyAccess"], service["KillMode"]) == ("notify", "all", "mixed")
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_no_secret_is_in_the_unit(service: configparser.SectionProxy) -> None:
    assert "Environment" not in service
    assert service["EnvironmentFile"] == "/etc/trueup/environment"
