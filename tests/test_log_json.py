"""Log lines as JSON: each parses, stands on one line, keeps its types, and holds no secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors import log, secrets
from actors.log_json import JsonFormatter, plain

SECRET = "SECRETKEY123"
texts = st.one_of(st.text(), st.sampled_from(["\n", "\u2028", "\x85", "\x1b[31m", '"}', "\ud800", SECRET, f"x\n{SECRET}y", "GET https://u:pw@h/"]))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.binary(), texts),
    lambda inner: st.one_of(st.lists(inner), st.tuples(inner, inner), st.dictionaries(texts, inner)),
    max_leaves=10,
)
names = st.one_of(st.sampled_from(["time", "level", "actor", "event", "traceback", "asset", "reason"]), st.text(min_size=1))


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    stream = io.StringIO()
    log.setup("info", stream, "json")
    yield stream
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    secrets.clear()


def only(out: io.StringIO) -> dict[str, Any]:
    """The one line that was logged."""
    assert out.getvalue().count("\n") == 1
    line: dict[str, Any] = json.loads(out.getvalue())
    return line


def formatted(event: str, fields: dict[str, object], error: BaseException | None = None) -> str:
    record = logging.LogRecord("trueup.pool", logging.ERROR, "", 0, "%s", (event,), (type(error), error, error.__traceback__) if error else None)
    record.event, record.fields = event, fields
    return JsonFormatter("trueup").format(record)


def test_a_line_has_time_level_actor_event_and_the_fields_with_their_types(out: io.StringIO) -> None:
    log.get_logger("sweeper").info("stale refresh: tick complete", requested=50, share=0.5, ok=True, error=None, wallet=b"\x01\xff", chains=["a", "b"])
    line = only(out)
    at = datetime.fromisoformat(line.pop("time"))
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60
    assert line == {
        "level": "info",
        "actor": "sweeper",
        "event": "stale refresh: tick complete",
        **{"requested": 50, "share": 0.5, "ok": True, "error": None, "wallet": "0x01ff", "chains": ["a", "b"]},
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2**53, 2**53), (2**256, str(2**256)), (float("nan"), "nan"), (float("-inf"), "-inf"), (RuntimeError("x"), "x"), ((1, {"a": b"\0"}), [1, {"a": "0x00"}])],
)
def test_what_json_cannot_hold_exactly_is_text(value: object, shown: object) -> None:
    assert plain(value) == shown


def test_a_field_never_hides_the_time_or_the_event(out: io.StringIO) -> None:
    log.get_logger("chaos").info("kills", actor="writer", event="x", time="never")
    line = only(out)
    assert (line["actor"], line["actor_"], line["event"], line["event_"], line["time_"]) == ("chaos", "writer", "kills", "x", "never")


def test_a_traceback_is_one_field(out: io.StringIO) -> None:
    try:
        raise RuntimeError("at\nthe end")
    except RuntimeError as error:
        log.get_logger("pool").error("failed", exc_info=error)
    line = only(out)
    assert line["traceback"].startswith("Traceback (most recent call last):\n")
    assert line["traceback"].endswith("RuntimeError: at\nthe end")


def test_libraries_lines_have_the_same_shape(out: io.StringIO) -> None:
    logging.getLogger("some.library").warning("GET %s", "x")
    line = only(out)
    assert (line["level"], line["actor"], line["event"]) == ("warning", "some.library", "GET x")


def test_a_level_leaves_out_what_is_below_and_setting_up_again_replaces(out: io.StringIO) -> None:
    log.get_logger("x").debug("quiet")
    again = io.StringIO()
    log.setup("info", again)
    log.get_logger("x").info("heard", n=1)
    assert out.getvalue() == ""
    assert again.getvalue().endswith("INFO x heard n=1\n")


@given(texts, st.dictionaries(names, values, max_size=5), texts)
def test_whatever_is_logged_is_one_line_of_json_without_a_secret(event: str, fields: dict[str, object], said: str) -> None:
    secrets.register(SECRET)
    try:
        try:
            raise RuntimeError(said)
        except RuntimeError as error:
            text = formatted(event, fields, error)
    finally:
        secrets.clear()
    assert text.isascii()
    assert text.isprintable()
    line = json.loads(text)
    assert list(line)[:4] == ["time", "level", "actor", "event"]
    assert SECRET not in str(line)
    assert "://u:pw@" not in str(line)
