"""The price file: one table a provider. Where `[budget] prices_file` names none, it is the one inside the package."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from actors.budget.prices import Prices
from actors.config.file import parse, read
from actors.config.place import Place, kind_of, shown

SHIPPED = Path(__file__).resolve().parents[1] / "budget" / "prices.toml"
KEYS = [each.name for each in fields(Prices) if each.name != "name"]
MOST_UNITS = 10**9


@cache
def shipped() -> Mapping[str, Prices]:
    """The tables that come with the program."""
    return load(SHIPPED)


def load(file: Path) -> Mapping[str, Prices]:
    """The tables of a price file, by name. ConfigError, one line, where it cannot be used."""
    place = Place(str(file))
    return {name: _prices(name, raw, place.at(name)) for name, raw in parse(read(place), place).items()}


def _prices(name: str, raw: object, place: Place) -> Prices:
    if not isinstance(raw, dict):
        raise place.wrong("a table", kind_of(raw))
    for key in raw:
        if key not in KEYS:
            raise place.at(key).at_key(f"unknown key, known are {', '.join(KEYS)}")
    stated = raw.get("units_per_window")
    return Prices(
        name,
        _units(raw.get("default", 1), place.at("default")),
        _secs(raw.get("window_secs", 1), place.at("window_secs")),
        None if stated is None else _units(stated, place.at("units_per_window"), least=1),
        _methods(raw.get("methods", {}), place.at("methods")),
    )


def _methods(raw: object, place: Place) -> Mapping[str, int]:
    if not isinstance(raw, dict):
        raise place.wrong("a table", kind_of(raw))
    return {method: _units(units, place.at(method)) for method, units in raw.items()}


def _units(raw: Any, place: Place, least: int = 0) -> int:
    if type(raw) is not int or not least <= raw <= MOST_UNITS:
        raise place.wrong(f"a whole number of units, {least} to {MOST_UNITS}", shown(raw))
    return raw


def _secs(raw: Any, place: Place) -> float:
    if type(raw) not in (int, float) or not math.isfinite(raw) or not 0 < raw <= 3600:
        raise place.wrong("a number of seconds, above 0 and at most 3600", shown(raw))
    return float(raw)
