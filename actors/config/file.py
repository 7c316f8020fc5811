"""A TOML file's text and its document, or the one line that says what is wrong with it."""

from __future__ import annotations

import tomllib
from typing import Any

from actors.config.place import Place

# Python's parser needs the square of the time that a dotted key is long: one of 32 KB takes seconds, and one of a megabyte an hour.
MOST_BYTES, MOST_DOTS, DEEPEST = 1_000_000, 300, 20


def read(place: Place) -> str:
    try:
        with open(place.file, "rb") as file:
            raw = file.read(MOST_BYTES + 1)
        if len(raw) > MOST_BYTES:
            raise place.error(f"expected at most {MOST_BYTES:,} bytes")
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise place.error("no such file") from None
    except OSError as error:
        raise place.error(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise place.error(f"line {line}: expected UTF-8 text") from None
    except ValueError:
        raise place.error("cannot be read: there is a NUL in its name") from None


def parse(text: str, place: Place) -> dict[str, Any]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > MOST_DOTS and not line.lstrip().startswith("#"):
            raise place.error(f"line {number}: expected at most {MOST_DOTS} dots")
    document = _parse(text, place)
    if _is_deep(document):
        raise place.error(f"expected tables and arrays nested at most {DEEPEST} deep")
    return document


def _is_deep(document: dict[str, Any]) -> bool:
    """Level by level: whatever goes through it by recursion would not come back."""
    level: list[Any] = [document]
    for _ in range(DEEPEST):
        level = [each for one in level for each in (one.values() if isinstance(one, dict) else one) if isinstance(each, dict | list)]
    return bool(level)


def _parse(text: str, place: Place) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        what, _, where = str(error).rpartition(" (at ")
        if where.startswith("line "):
            raise place.error(f"{where.rstrip(')')}: not TOML: {what}") from None
        last = text.count("\n") + 1
        raise place.error(f"line {last}: not TOML: {what or error}") from None
