"""`trueup status`: the running service's /api/status, for people or as JSON."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from typing import Any, Protocol

from actors.cli import fail
from actors.cli.service import ask, said
from actors.errors import TrueupError
from actors.log import one_line
from actors.secrets import mask


class Form(Protocol):
    """How it is asked for."""

    json: bool


def main(args: Namespace) -> int:
    code, body = ask(args.url, "/api/status")
    if code != 200 or not isinstance(body, dict):
        return fail(f"{args.url} answered {code}, not a status{said(body)}")
    for line in lines(body, args):
        print(line)
    return 0


def lines(body: dict[str, Any], args: Form) -> list[str]:
    """What is printed: nothing that the service says moves the cursor, by the name of a key either. Raises TrueupError."""
    try:
        return [mask(json.dumps(body, indent=2))] if args.json else [one_line(mask(line)) for line in text(body)]
    except RecursionError:
        raise TrueupError("what it answers is nested too deep to be a status") from None


def text(body: dict[str, Any]) -> Iterator[str]:
    """Plain values first, then each list of objects as a table, whatever the service has to tell; what is inside an object comes after."""
    for name, value in body.items():
        if not _tables(value):
            yield from _plain(name, value)
    for name, value in body.items():
        yield from _table(name, _tables(value))


def _plain(name: str, value: Any) -> Iterator[str]:
    """A value, or texts with a line each."""
    texts = isinstance(value, list) and value and all(isinstance(each, str) for each in value)
    yield f"{name}:" if texts else f"{name}: {word(value)}"
    if texts:
        yield from (f"  {word(each)}" for each in value)


def _table(title: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    if not rows:
        return
    nested = {column for row in rows for column, value in row.items() if _tables(value) or isinstance(value, dict)}
    yield ""
    yield f"{title}:"
    yield from table([{column: value for column, value in row.items() if column not in nested} for row in rows])
    for row in rows:
        for column in sorted(nested):
            yield from _inside(f"{column} of {word(row.get('name', title))}", row.get(column))


def _inside(title: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        plain = {name: each for name, each in value.items() if not _tables(each)}
        yield from ("", f"{title}: {word(plain)}")
        for name, each in value.items():
            yield from _table(f"{name} of {title}", _tables(each))
    else:
        yield from _table(title, _tables(value))


def table(rows: list[dict[str, Any]]) -> Iterator[str]:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    cells = [columns, *([word(row.get(column)) for column in columns] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(columns))]
    for row in cells:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def word(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{name} {word(each)}" for name, each in value.items()) or "-"
    if isinstance(value, list):
        return ", ".join(word(each) for each in value) or "-"
    return one_line(f"{value:.6g}" if isinstance(value, float) and abs(value) < 1e6 else str(value))


def _tables(value: Any) -> list[dict[str, Any]]:
    return value if isinstance(value, list) and all(isinstance(each, dict) for each in value) else []
