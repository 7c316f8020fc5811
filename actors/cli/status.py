"""`trueup status`: the running service's /api/status, for people or as JSON."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from actors.cli import fail
from actors.cli.service import ask, said
from actors.log import one_line
from actors.secrets import mask


def main(args: Namespace) -> int:
    code, body = ask(args.url, "/api/status")
    if code != 200 or not isinstance(body, dict):
        return fail(f"{args.url} answered {code}, not a status{said(body)}")
    lines = [json.dumps(body, indent=2)] if args.json else text(body)
    for line in lines:
        print(mask(line))
    return 0


def text(body: dict[str, Any]) -> Iterator[str]:
    """Plain values first, then each list of objects as a table, whatever the service has to tell."""
    for name, value in body.items():
        if not _tables(value):
            yield f"{name}: {word(value)}"
    for name, value in body.items():
        for rows in [_tables(value)] if _tables(value) else []:
            yield ""
            yield f"{name}:"
            yield from table(rows)


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
