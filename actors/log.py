"""One line an event: time, level, actor, what happened, then `key=value` fields, with every secret masked.

    log = get_logger("sweeper")
    log.info("stale refresh: tick complete", requested=50, updated=50)

prints `2026-01-02T03:04:05.678Z INFO sweeper stale refresh: tick complete requested=50 updated=50`, or the same
as JSON (see `log_json.py`). The standard library's logging is underneath, so that libraries' lines come out in the same shape.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import TextIO

from actors.log_json import JsonFormatter, time_of
from actors.secrets import mask

ROOT = "trueup"
_TALKATIVE = ("httpx", "httpcore", "trio-websocket", "wsproto")  # they log URLs and every request at INFO
LEVELS = ("debug", "info", "warning", "error")


class Log:
    """A logger whose methods take fields as keyword arguments; `exc_info` is logging's own."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, message: str, **fields: object) -> None:
        self._log(logging.DEBUG, message, None, fields)

    def info(self, message: str, **fields: object) -> None:
        self._log(logging.INFO, message, None, fields)

    def warning(self, message: str, *, exc_info: BaseException | None = None, **fields: object) -> None:
        self._log(logging.WARNING, message, exc_info, fields)

    def error(self, message: str, *, exc_info: BaseException | None = None, **fields: object) -> None:
        self._log(logging.ERROR, message, exc_info, fields)

    def _log(self, level: int, message: str, error: BaseException | None, fields: dict[str, object]) -> None:
        if self._logger.isEnabledFor(level):
            words = [message, *(f"{name}={field(value)}" for name, value in fields.items())]
            self._logger.log(level, "%s", " ".join(words), exc_info=error, extra={"event": message, "fields": fields})


class Formatter(logging.Formatter):
    """Masks the whole line, a traceback included, and keeps what others (a node, say) said on one line. A traceback's lines are indented:
    an error's text, which may be a node's, begins none that looks like a log line.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:
        name = record.name.removeprefix(f"{ROOT}.")
        return f"{time_of(record)} {record.levelname} {name} {one_line(record.message)}"

    def format(self, record: logging.LogRecord) -> str:
        line, *traceback = mask(super().format(record)).split("\n")
        # Another handler would print the copy that logging keeps on the record, unmasked.
        record.exc_text = None
        return "\n".join([line, *("  " + one_line(each) for each in traceback)])


def get_logger(name: str) -> Log:
    return Log(logging.getLogger(f"{ROOT}.{name}"))


def setup(level: str = "info", stream: TextIO | None = None, form: str = "console") -> None:
    """Sends every log line to `stream` (standard error); `form` is console or json. A second call replaces the first."""
    if level.lower() not in LEVELS:
        raise ValueError(f"expected one of {', '.join(LEVELS)}, got {level}")
    logging.raiseExceptions = False  # what cannot be shown is lost: logging would print its arguments, unmasked
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter(ROOT) if form == "json" else Formatter())
    root = logging.getLogger()
    for old in [each for each in root.handlers if isinstance(each.formatter, Formatter | JsonFormatter)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def field(value: object) -> str:
    """A field's value as one word, quoted where it would not be one."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    text = f"{value:.6g}" if isinstance(value, float) and abs(value) < 1e6 else str(value)
    plain = text and text.isprintable() and not set(text) & set(' "=')
    return text if plain else json.dumps(text, ensure_ascii=False)


def one_line(text: str) -> str:
    """The text with every control character escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
