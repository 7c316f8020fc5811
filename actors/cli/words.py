"""Figures in few signs, for tables that are read at a glance. Each takes what a service says: what is no number is `-`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.log import one_line
from actors.secrets import mask

NONE = "-"
UNITS = ((31_557_600.0, "y"), (86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"))
SIZES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
BARS = " ▁▂▃▄▅▆▇█"


def number(value: Any) -> float | None:
    """The number, if it is one that can be shown."""
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e18 else None


def count(value: Any) -> str:
    """`1,234`."""
    known = number(value)
    return NONE if known is None else f"{known:,.0f}"


def digits(value: Any) -> str:
    """About three digits."""
    known = number(value)
    if known is None:
        return NONE
    text = f"{known:,.2f}" if abs(known) < 10 else f"{known:,.1f}" if abs(known) < 100 else f"{known:,.0f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def compact(value: Any) -> str:
    """`1.23 M`."""
    known = number(value)
    if known is None or abs(known) < 10_000:
        return count(value) if known is None or known == int(known) else digits(known)
    size, unit = next(each for each in SIZES if abs(known) >= each[0])
    return f"{digits(known / size)} {unit}"


def span(value: Any) -> str:
    """Seconds as `380 ms`, `4.2 s`, `12 min`."""
    known = number(value)
    if known is None:
        return NONE
    size, unit = next((each for each in UNITS if known >= each[0]), (0.001, "ms"))
    return f"{digits(round(known / size) if unit == 'ms' else known / size)} {unit}"


def bars(values: Sequence[Any], most: float | None = None) -> str:
    """A small plot: one sign a value, a blank where there is nothing."""
    known = [number(value) or 0.0 for value in values]
    top = most or max(known, default=0.0)
    return "".join(" " if value <= 0 or not top else BARS[max(1, min(8, round(8 * value / top)))] for value in known)


def clean(value: Any) -> Any:
    """What a service said, every text of it masked and on one line: errors come from nodes."""
    if isinstance(value, str):
        return one_line(mask(value))
    if isinstance(value, dict):
        return {clean(key): clean(each) for key, each in value.items()}
    return [clean(each) for each in value] if isinstance(value, list) else value


def objects(body: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects of the status; nothing where it is something else."""
    found = body.get(name)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def by_name(found: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Objects by their names, whatever those are."""
    return {str(one.get("name")): one for one in found}


def inside(body: dict[str, Any], name: str) -> dict[str, Any]:
    """An object of the status; an empty one where it is not there."""
    found = body.get(name)
    return found if isinstance(found, dict) else {}


def texts(body: dict[str, Any], name: str) -> list[str]:
    """A list of texts of the status."""
    found = body.get(name)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []
