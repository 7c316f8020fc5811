"""A TOML file's text and its document, or the one line that says what is wrong with it."""

from __future__ import annotations

import tomllib
from typing import Any

from actors.config.place import Place


def read(place: Place) -> str:
    try:
        with open(place.file, "rb") as file:
            raw = file.read()
        return raw.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        raise place.error("no such file") from None
    except OSError as error:
        raise place.error(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise place.error(f"line {line}: expected UTF-8 text") from None


def parse(text: str, place: Place) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        what, _, where = str(error).rpartition(" (at ")
        if where.startswith("line "):
            raise place.error(f"{where.rstrip(')')}: not TOML: {what}") from None
        last = text.count("\n") + 1
        raise place.error(f"line {last}: not TOML: {what or error}") from None
