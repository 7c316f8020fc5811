"""Log lines: one an event, in one shape, masked."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from actors import log, secrets


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    stream = io.StringIO()
    log.setup("info", stream)
    yield stream
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    secrets.clear()


def test_a_line_has_time_level_actor_message_and_fields(out: io.StringIO) -> None:
    log.get_logger("sweeper").info("stale refresh: tick complete", requested=50, updated=49)
    at, rest = out.getvalue().split(" ", 1)
    assert rest == "INFO sweeper stale refresh: tick complete requested=50 updated=49\n"
    assert len(at) == len("2026-01-02T03:04:05.678Z")
    assert at.endswith("Z")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "none"),
        (True, "true"),
        (b"\x01\xff", "0x01ff"),
        (0.25, "0.25"),
        (1 / 3, "0.333333"),
        (1753000000.5, "1753000000.5"),
        ("a b", '"a b"'),
        ("", '""'),
        ('say "x"', '"say \\"x\\""'),
        ("a=b", '"a=b"'),
        ("line\nbreak", '"line\\nbreak"'),
    ],
)
def test_a_field_is_one_word(value: object, text: str) -> None:
    assert log.field(value) == text


def test_what_others_say_stays_on_one_line(out: io.StringIO) -> None:
    log.get_logger("pool").warning("node said\nFAKE line\x1b[31m")
    assert out.getvalue().count("\n") == 1
    assert "\x1b" not in out.getvalue()


def test_secrets_are_masked_in_messages_fields_and_tracebacks(out: io.StringIO) -> None:
    secrets.register("SECRETKEY123")
    try:
        raise RuntimeError("at SECRETKEY123")
    except RuntimeError as error:
        log.get_logger("pool").error("SECRETKEY123 failed", url="x SECRETKEY123", exc_info=error)
    assert "SECRETKEY123" not in out.getvalue()
    assert "RuntimeError: at ***" in out.getvalue()


def test_libraries_lines_are_masked_and_their_chatter_is_left_out(out: io.StringIO) -> None:
    secrets.register("SECRETKEY123")
    logging.getLogger("some.library").info("GET %s", "SECRETKEY123")
    logging.getLogger("httpx").info("HTTP Request")
    assert out.getvalue().endswith("INFO some.library GET ***\n")
    assert out.getvalue().count("\n") == 1


def test_a_level_leaves_out_what_is_below(out: io.StringIO) -> None:
    log.get_logger("x").debug("quiet")
    assert out.getvalue() == ""


def test_setting_up_again_replaces(out: io.StringIO) -> None:
    again = io.StringIO()
    log.setup("debug", again)
    log.get_logger("x").debug("heard", n=1)
    assert out.getvalue() == ""
    assert again.getvalue().endswith("DEBUG x heard n=1\n")


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of debug"):
        log.setup("loud")


def test_no_line_of_a_traceback_looks_like_a_log_line_or_steers_a_terminal(out: io.StringIO) -> None:
    try:
        raise RuntimeError("node said\n2026-01-02T03:04:05.678Z INFO writer all is well\r\x1b[31m\x85\u2028red")
    except RuntimeError as error:
        log.get_logger("pool").error("crashed", exc_info=error)
    first, *traceback = out.getvalue().removesuffix("\n").split("\n")
    assert first.endswith("ERROR pool crashed")
    assert "  Traceback (most recent call last):" in traceback
    assert "  2026-01-02T03:04:05.678Z INFO writer all is well\\r\\x1b[31m\\x85\\u2028red" in traceback
    assert all(line.startswith("  ") and line.isprintable() for line in traceback)
