"""A TOML file and the environment become a `Config`, or one `ConfigError` that names the file and the key."""

from __future__ import annotations

import dataclasses
import math
import operator
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from actors.config import across, environment, prices, sources
from actors.config.checks import Unexpected
from actors.config.file import parse, read
from actors.config.keys import ARRAYS, TABLES, AssetConfig, Config, keys_of, nearest
from actors.config.place import Place, kind_of, shown

_EXPECTED: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    bytes: "a text",
}

LIMITS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "above": (operator.gt, "above"),
    "low": (operator.ge, "of at least"),
    "high": (operator.le, "of at most"),
}


def load(path: str | os.PathLike[str], env: Mapping[str, str] | None = None) -> Config:
    """The config in the file at `path`, with what the environment (the process's own) adds to it."""
    env = os.environ if env is None else env
    place = Place(os.fspath(path))
    document = parse(read(place), place)
    place = environment.override(document, env, place)
    config = build(environment.expand(document, env, place), place)
    if named := config.budget.prices_file:
        config = dataclasses.replace(config, prices=prices.load(Path(path).parent / named))
    across.check(config, place)
    return config


def build(document: dict[str, Any], place: Place) -> Config:
    known = [*TABLES, *ARRAYS]
    for name in document:
        if name not in known:
            raise place.at(name).at_key(f"unknown table, {nearest(name, known)}")
    tables = {name: table(kind, document.get(name, {}), place.at(name)) for name, kind in TABLES.items()}
    arrays = {name: array(kind, document.get(name, []), place.at(name)) for name, kind in ARRAYS.items()}
    return Config(chains=arrays["chain"], assets=arrays["asset"], path=place.file, **tables)


def array(kind: type[Any], raw: object, place: Place) -> tuple[Any, ...]:
    if not isinstance(raw, list):
        raise place.wrong(f"tables headed [[{place.path}]]", kind_of(raw))
    return tuple(table(kind, each, place.entry(index)) for index, each in enumerate(raw))


def table(kind: type[Any], raw: object, place: Place) -> Any:
    if not isinstance(raw, dict):
        raise place.wrong("a table", kind_of(raw))
    keys = keys_of(kind)
    for name in raw:
        if name not in keys:
            raise place.at(name).at_key(f"unknown key, {nearest(name, list(keys))}")
    for name, key in keys.items():
        if name not in raw and key.default is dataclasses.MISSING:
            raise place.at(name).at_key("is missing, it has no default")
    if kind is AssetConfig:
        return _asset(raw, keys, place)
    return kind(**plain(kind, raw, raw, place))


def _asset(raw: dict[str, Any], keys: Iterable[str], place: Place) -> AssetConfig:
    parsed = plain(
        AssetConfig,
        raw,
        (name for name in keys if name in raw and name not in ("sources", "triggers")),
        place,
    )
    parsed["sources"], calls = sources.sources(raw["sources"], place.at("sources"))
    parsed["triggers"] = sources.triggers(raw.get("triggers", []), place.at("triggers"))
    return AssetConfig(calls=calls, **parsed)


def plain(kind: type[Any], raw: dict[str, Any], names: Iterable[str], place: Place) -> dict[str, Any]:
    hints, keys = get_type_hints(kind), keys_of(kind)
    return {name: value(raw[name], hints[name], keys[name].metadata, place.at(name)) for name in names}


def value(raw: object, hint: Any, rules: Mapping[str, Any], place: Place) -> Any:
    if hint != tuple[str, ...]:
        return checked(typed(raw, hint, rules, place), rules, place)
    if not isinstance(raw, list):
        raise place.wrong("an array of texts", kind_of(raw) if rules["secret"] else shown(raw))
    if len(raw) < rules.get("few", 0):
        raise place.wrong("at least one entry", "an empty array")
    return tuple(value(each, str, rules, place.entry(index)) for index, each in enumerate(raw))


def typed(raw: object, hint: Any, rules: Mapping[str, Any], place: Place) -> Any:
    if hint is float and type(raw) in (int, float):
        return _finite(raw, place)
    if type(raw) is (str if hint is bytes else hint):
        return raw
    # A text tells its kind by its quotes, a number by its digits; a secret is told by its kind alone.
    raise place.wrong(_EXPECTED[hint], kind_of(raw) if rules["secret"] else shown(raw))


def _finite(raw: Any, place: Place) -> float:
    try:
        number = float(raw)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise place.wrong("a number", shown(raw))
    return number


def checked(typed_value: Any, rules: Mapping[str, Any], place: Place) -> Any:
    if "choices" in rules and typed_value not in rules["choices"]:
        raise place.wrong(" or ".join(str(each) for each in rules["choices"]), shown(typed_value))
    for rule, (holds, words) in LIMITS.items():
        if rule in rules and not holds(typed_value, rules[rule]):
            raise place.wrong(f"a number {words} {rules[rule]:.0f}", shown(typed_value))
    if "check" not in rules:
        return typed_value
    try:
        return rules["check"](typed_value)
    except Unexpected as error:
        raise place.wrong(error.expected, error.got or shown(typed_value)) from None
