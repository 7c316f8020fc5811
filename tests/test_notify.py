"""systemd's protocol: what the environment says, and what is sent."""

from __future__ import annotations

import os

import pytest

from actors import notify
from actors.notify import Notify, message
from tests.notify_socket import NotifySocket

PIDS = (40, 30)


def of(**env: str) -> Notify:
    return notify.of(env, lambda: PIDS)


def test_nothing_is_said_where_nobody_reads() -> None:
    assert of() == Notify()
    assert of(NOTIFY_SOCKET="", WATCHDOG_USEC="1000000") == Notify()
    assert of(NOTIFY_SOCKET="vsock:2:1234") == Notify()
    Notify().tell(READY="1")


def test_an_at_sign_is_the_abstract_namespace() -> None:
    assert of(NOTIFY_SOCKET="/run/notify").address == "/run/notify"
    assert of(NOTIFY_SOCKET="@notify").address == "\0notify"


@pytest.mark.parametrize(("pid", "ours"), [("40", True), ("30", True), ("", True), ("41", False), ("no", False)])
def test_the_watchdog_is_ours_where_it_names_us_or_the_loader_that_started_us(pid: str, ours: bool) -> None:
    assert of(NOTIFY_SOCKET="/s", WATCHDOG_USEC="60000000", WATCHDOG_PID=pid).watchdog_secs == (60 if ours else None)


@pytest.mark.parametrize("micros", ["", "0", "-1", "soon"])
def test_a_watchdog_without_a_time_is_none(micros: str) -> None:
    assert of(NOTIFY_SOCKET="/s", WATCHDOG_USEC=micros).watchdog_secs is None


def test_a_value_cannot_begin_another_field() -> None:
    assert message({"STATUS": "down:\nREADY=1", "WATCHDOG": "1"}) == b"STATUS=down: READY=1\nWATCHDOG=1"


@pytest.mark.parametrize("abstract", [False, True])
def test_what_is_told_arrives(abstract: bool) -> None:
    with NotifySocket(abstract) as reader:
        of(NOTIFY_SOCKET=reader.name).tell(READY="1", STATUS="all true")
        assert reader.read() == [{"READY": "1", "STATUS": "all true"}]


def test_the_watchdog_is_fed_only_where_there_is_one() -> None:
    with NotifySocket() as reader:
        of(NOTIFY_SOCKET=reader.name).tell(WATCHDOG="1", STATUS="all true")
        of(NOTIFY_SOCKET=reader.name).tell(WATCHDOG="1")
        of(NOTIFY_SOCKET=reader.name, WATCHDOG_USEC="5").tell(WATCHDOG="1")
        assert reader.read() == [{"STATUS": "all true"}, {"WATCHDOG": "1"}]


def test_a_reader_that_is_gone_or_does_not_read_holds_nobody_up() -> None:
    of(NOTIFY_SOCKET=f"/nowhere/{os.getpid()}").tell(READY="1")
    with NotifySocket() as reader:
        for _ in range(10_000):
            of(NOTIFY_SOCKET=reader.name).tell(STATUS="x" * 1000)
        assert len(reader.read()) < 10_000
