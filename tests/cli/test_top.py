"""`trueup top`: what it shows of a status, and how it treats a terminal, in a real one."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from actors.cli.terminal import LEAVE, render
from actors.cli.top import Watched
from actors.cli.top_page import page
from actors.cli.words import bars, clean, compact, digits, span
from tests.dashboard.stage import Stage, full
from tests.world import PATIENCE_SECS

URL = "http://127.0.0.1:1325"


def shown(body: dict[str, Any], width: int = 200, height: int = 100) -> list[str]:
    return [render(line, width, colour=False).rstrip() for line in page(clean(body), URL, [body.get("rates") or {}], width, height)]


def test_it_shows_what_the_dashboard_shows() -> None:
    told = "\n".join(shown(full()))
    for words in ("✓ all true", "up 3.22 h", "Postgres answers", "41.2/s", "388/s", "p50 400 ms, p99 2.1 s", "21,000,120", "https://eth.example"):
        assert words in told
    for words in ("packed", "1,000,185", "8 min", "1.14 h", "16.9 h", "1.39 h by target_age_secs", "batcher:town", "0 + 12", "129 k", "500 k"):
        assert words in told
    for words in ("0 wrong of 50,000", "73.8 in a million", "2 h, can be met", "by its end", "167 k"):
        assert words in told


def line_of(told: list[str], *words: str) -> str:
    """The one line that begins with the first of these words, and has all of them."""
    (found,) = [line for line in told if line.startswith(words[0]) and all(word in line for word in words)]
    return found


def test_the_distance_to_the_head_is_the_one_that_the_service_says() -> None:
    body = full()
    body["chains"][0]["behind"] = 77
    assert line_of(shown(body), "town", "21,000,120", " 77 ")
    body["chains"][0]["behind"] = None
    assert line_of(shown(body), "town", "21,000,120", " -  up")


def test_a_head_is_shown_with_how_long_ago_it_was_one() -> None:
    assert line_of(shown(full()), "town", "21,000,120    47.3 s", "up")


def test_a_targets_state_what_the_audit_found_and_a_chain_of_the_ledger_that_is_not_read_stand_out() -> None:
    body = full()
    body["assets"][0]["objective"] = {"target_secs": 7200.0, "state": "late", "at_risk": True, "why": "x"}
    body["assets"][0]["audit"] |= {"wrong": 3, "wrong_per_million_high": 176.4}
    error = "no endpoint is configured"
    body["ledger"] = [{"name": "5", "error": error, "ticks": 9, "tick_requested": 20, "tick_updated": 18}, {"name": "7", "error": None, "ticks": 8}]
    body["budgets"][0]["month_units_by_end"] = 600_000
    styled = {part for line in page(body, URL, [], 200, 100) for part in ((style, text.strip()) for style, text in line)}
    assert {("bad", "2 h, late"), ("bad", "3 wrong of 50,000"), ("bad", "✕ not read"), ("bad", error), ("good", "● read"), ("warn", "600 k")} <= styled
    told = shown(body)
    assert line_of(told, "TOWN", "2 h, late", "3 wrong of 50,000", "176 in a million", "1.39 h by target_age_secs")
    assert line_of(told, "5", "not read", "18 of 20", error)


def test_on_a_terminal_of_80_by_24_ages_promises_and_spend_are_all_seen() -> None:
    told = "\n".join(shown(full(), 80, 24))
    for words in ("16.9 h", "2 h, can be met", "0 wrong of 50,000", "73.8 in a million", "set aside", "by its end", "500 k"):
        assert words in told


def test_each_problem_is_a_line_above_all_else_with_its_cause_to_the_end() -> None:
    body = full() | {"ready": False, "reasons": ["chain town has no healthy endpoint: " + "away " * 30 + "and the cause"], "warnings": ["a socket"]}
    told = shown(body, width=80)
    assert told[1] == "✕ 1 problem"
    assert told[2].startswith("  broken   chain town has no healthy endpoint")
    assert told[4].endswith("and the cause")
    assert told[5] == "  warning  a socket"


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (20, 3), (200, 60)])
def test_it_fits_the_terminal(width: int, height: int) -> None:
    told = shown(full(), width, height)
    assert len(told) <= height
    assert max(map(len, told)) <= width
    assert told[1].startswith("✓ all true")


def test_of_actors_that_do_not_fit_it_says_how_many_there_are_and_how_many_do_not_run() -> None:
    body = full()
    assert shown(body, 80, 24)[-1] == "… and 4 lines that do not fit here, 4 actors among them"
    for at in (0, -1):
        body["actors"][at]["state"] = "backing off"
    assert shown(body, 80, 24)[-1] == "… and 4 lines that do not fit here, 4 actors among them, 1 not running"
    body["actors"] = []
    assert shown(body, 80, 18)[-1] == "… and 2 lines that do not fit here"


def test_what_comes_from_the_network_cannot_touch_the_terminal() -> None:
    hostile = "\x1b[2J\x1b]0;owned\x07\r\n\x9b31m\u202e"
    body = full()
    body["reasons"] = [hostile]
    body["actors"][0]["last_error"] = body["endpoints"][0]["last_error"] = body["chains"][0]["name"] = hostile
    told = "\n".join(shown(body))
    assert not set(told) & set("\x1b\x07\r\x9b\u202e")
    assert "\\x1b[2J" in told


@pytest.mark.parametrize("body", [{}, {"actors": None, "assets": [None, 3], "chains": {}, "reasons": 7, "rates": []}, {"ready": True, "at": 5}])
def test_a_status_of_another_shape_breaks_nothing(body: dict[str, Any]) -> None:
    assert shown(body)


def test_figures_of_any_kind_are_told() -> None:
    assert [span(x) for x in (0, 0.38, 1, 59, 90, 5000, 10**6, None, "x", True)] == ["0 ms", "380 ms", "1 s", "59 s", "1.5 min", "1.39 h", "11.6 d", "-", "-", "-"]
    assert [compact(x) for x in (0, 1234, 12345, 1.5e6, 2e9, float("nan"), float("inf"))] == ["0", "1,234", "12.3 k", "1.5 M", "2 G", "-", "-"]
    assert digits(0.126) == "0.13"
    assert bars([0, 1, 4, 8, None]) == " ▁▄█ "


class Terminal:
    """A terminal with the program in it."""

    def __init__(self, *words: str) -> None:
        self.outer, self.inner = pty.openpty()
        fcntl.ioctl(self.inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
        self.before = termios.tcgetattr(self.inner)
        command = [sys.executable, "-m", "actors", "top", *words]
        self.process = subprocess.Popen(command, stdin=self.inner, stdout=self.inner, stderr=self.inner, start_new_session=True, preexec_fn=self._own)
        self.said = b""

    def _own(self) -> None:
        fcntl.ioctl(self.inner, termios.TIOCSCTTY, 0)

    def read(self) -> None:
        while select.select([self.outer], [], [], 0.05)[0]:
            self.said += os.read(self.outer, 65536)

    def screen(self) -> str:
        """The last page that was drawn whole."""
        drawn = self.said.decode(errors="replace").split("\x1b[H")
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn[-2] if len(drawn) > 2 else "")

    def until(self, *words: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECS
        while not all(word in self.screen() for word in words):
            assert time.monotonic() < deadline, self.screen()
            assert self.process.poll() is None, self.said
            self.read()

    def type(self, keys: bytes) -> None:
        os.write(self.outer, keys)

    def ended(self) -> int:
        """The exit code; the terminal is what it was before."""
        deadline = time.monotonic() + PATIENCE_SECS
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.said[-300:]
            self.read()
        self.read()
        assert self.said.decode().endswith(LEAVE)
        assert termios.tcgetattr(self.inner) == self.before
        return self.process.returncode


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    stage.start()
    yield stage
    stage.frozen = False
    stage.stop()


@pytest.fixture
def terminal(stage: Stage) -> Iterator[Terminal]:
    terminal = Terminal("--url", stage.url)
    yield terminal
    if terminal.process.poll() is None:
        terminal.process.kill()
        terminal.process.wait()
    os.close(terminal.outer)
    os.close(terminal.inner)


ENDS: dict[str, Callable[[Terminal], object]] = {
    "q": lambda terminal: terminal.type(b"q"),
    "Ctrl-C": lambda terminal: terminal.type(b"\x03"),
    "SIGTERM": lambda terminal: terminal.process.send_signal(signal.SIGTERM),
}


@pytest.mark.parametrize("end", list(ENDS.values()), ids=list(ENDS))
def test_it_draws_in_place_and_leaves_the_terminal_as_it_was(stage: Stage, terminal: Terminal, end: Callable[[Terminal], object]) -> None:
    terminal.until("✓ all true", "batcher:town")
    stage.status["chains"][0]["head"] = 21_000_999
    terminal.until("21,000,999")
    terminal.type(b"x\x1b[A")
    terminal.until("✓ all true")
    end(terminal)
    assert terminal.ended() == 0


def test_it_follows_the_size_of_the_terminal(terminal: Terminal) -> None:
    terminal.until("actor", "by day")
    fcntl.ioctl(terminal.inner, termios.TIOCSWINSZ, struct.pack("HHHH", 8, 50, 0, 0))
    terminal.until("lines that do not fit here")


def test_it_says_that_the_service_does_not_answer_and_goes_on_when_it_is_back(stage: Stage, terminal: Terminal) -> None:
    terminal.until("✓ all true")
    stage.stop()
    terminal.until("✕ the service does not answer", "has not answered since", "refused", "batcher:town")
    stage.start()
    stage.status["reasons"], stage.status["ready"] = ["Postgres is unreachable: gone"], False
    terminal.until("✕ 1 problem", "Postgres is unreachable: gone")
    terminal.type(b"q")
    assert terminal.ended() == 0


def test_a_service_that_hangs_keeps_no_key_waiting(stage: Stage, terminal: Terminal) -> None:
    terminal.until("✓ all true")
    stage.frozen = True
    terminal.until("has not answered since", "it hangs")
    terminal.type(b"q")
    assert terminal.ended() == 0


def test_where_there_is_no_terminal_it_is_plain_lines(stage: Stage) -> None:
    stage.status["reasons"], stage.status["ready"] = ["asset TOWN has not closed for 61 s"], False
    command = [sys.executable, "-m", "actors", "top", "--url", stage.url]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(3)]
        stage.status["reasons"] = ["asset TOWN has not closed for 62 s"]
        told += [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 0
    assert "\x1b" not in "".join(told)
    assert [bool(re.match(r"\d\d:\d\d:\d\d ✕ 1 problem  events 41.2/s", line)) for line in told] == [True, False, True, True, True]
    assert told[1] == "  broken   asset TOWN has not closed for 61 s\n"


def test_what_a_running_service_says_is_escaped_before_it_is_shown(stage: Stage) -> None:
    stage.status["reasons"] = ["\x1b[2Jowned"]
    watched = Watched(stage.url)
    watched.look()
    assert watched.body is not None
    assert watched.body["reasons"] == ["\\x1b[2Jowned"]


def test_a_service_whose_names_are_no_texts_is_shown_all_the_same() -> None:
    body = full()
    for part in ("forecasts", "mailboxes", "chains", "assets", "budgets"):
        body[part].append({"name": ["x"]})
    assert "✓ all true" in shown(body)
