"""What the environment adds to a parsed TOML document: overrides first, then `${NAME}` in its texts.

`TRUEUP_SWEEPER__BATCH_SIZE=200` sets sweeper.batch_size, `TRUEUP_CHAIN__ETHEREUM__FOLLOW=heads` a key of the
[[chain]] named ethereum. A variable with `__` that names no key is an error: it would do nothing, unnoticed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, get_type_hints

from actors.config.keys import ARRAYS, SWITCHED, TABLES, keys_of, nearest
from actors.config.place import Place

PREFIX = "TRUEUP_"
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_FROM_TEXT: dict[Any, Callable[[str], Any]] = {
    int: lambda text: int(text) if re.fullmatch(r"[+-]?\d{1,30}", text) else text,
    float: lambda text: float(text) if re.fullmatch(r"[+-]?\d{1,30}(\.\d{1,30})?", text) else text,
    bool: lambda text: {"true": True, "false": False}.get(text.lower(), text),
    tuple[str, ...]: lambda text: [word.strip() for word in text.split(",") if word.strip()],
    str: str,
    bytes: str,
}


def override(document: dict[str, Any], env: Mapping[str, str], place: Place) -> Place:
    """Sets what the environment overrides; the returned place knows which key is from which variable."""
    origins: dict[str, str] = {}
    for variable in sorted(env):
        if variable.startswith(PREFIX) and "__" in variable:
            origins[_override(document, variable, env[variable], place)] = variable
    return place.with_origins(origins)


def variable_of(table: str, name: str) -> str | None:
    """The variable that overrides a key, with NAME for an entry's own name; None: it can be set in the file only."""
    if get_type_hints({**TABLES, **ARRAYS}[table])[name] not in _FROM_TEXT:
        return None
    return "__".join([PREFIX + table.upper(), *(["NAME"] if table in ARRAYS else []), name.upper()])


def _override(document: dict[str, Any], variable: str, text: str, place: Place) -> str:
    if not _is_text(text):
        raise place.error(f"environment variable {variable}: expected UTF-8 text")
    words = variable.removeprefix(PREFIX).lower().split("__")
    if len(words) == 2 and words[0] in TABLES:
        kind, table, path = TABLES[words[0]], document.setdefault(words[0], {}), words[0]
    elif len(words) == 3 and words[0] in ARRAYS:
        kind = ARRAYS[words[0]]
        table, path = _entry(document.get(words[0]), words, variable, place)
    else:
        names = [
            *(f"{PREFIX}{name.upper()}__KEY" for name in TABLES),
            *(f"{PREFIX}{name.upper()}__NAME__KEY" for name in ARRAYS),
        ]
        raise place.error(f"environment variable {variable}: no such key, overrides are {', '.join(names)}")
    name = words[-1]
    if name not in keys_of(kind):
        raise place.error(
            f"environment variable {variable}: unknown key {path}.{name}, {nearest(name, [*keys_of(kind)])}"
        )
    hint = get_type_hints(kind)[name]
    if hint not in _FROM_TEXT:
        raise place.error(f"environment variable {variable}: {path}.{name} can be set in the file only")
    if isinstance(table, dict):
        table[name] = _FROM_TEXT[hint](text)
    return f"{path}.{name}"


def _entry(entries: object, words: list[str], variable: str, place: Place) -> tuple[Any, str]:
    named = [
        (entry, f"{words[0]}[{index}]")
        for index, entry in enumerate(entries if isinstance(entries, list) else [])
        if isinstance(entry, dict) and _folded(entry.get("name")) == words[1]
    ]
    if len(named) != 1:
        expected = f"expected the name of one [[{words[0]}]], got {words[1].upper()}"
        raise place.error(f"environment variable {variable}: {expected}")
    return named[0]


def _folded(name: object) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()) if isinstance(name, str) else ""


def _is_text(value: str) -> bool:
    """Whether it was UTF-8: Python keeps other bytes as half characters, which nothing else takes."""
    return not any("\ud800" <= char <= "\udfff" for char in value)


def expand(document: dict[str, Any], env: Mapping[str, str], place: Place) -> dict[str, Any]:
    """The document with each `${NAME}` replaced; in a table that is off, an unset one stands for nothing."""
    expanded: dict[str, Any] = {}
    for name, value in document.items():
        off = name in SWITCHED and isinstance(value, dict) and value.get("enabled", False) is False
        expanded[name] = _expand(value, env, place.at(name), needed=not off)
    return expanded


def _expand(value: Any, env: Mapping[str, str], place: Place, needed: bool) -> Any:
    if isinstance(value, dict):
        return {name: _expand(each, env, place.at(name), needed) for name, each in value.items()}
    if isinstance(value, list):
        return [_expand(each, env, place.entry(index), needed) for index, each in enumerate(value)]
    return _fill(value, env, place, needed) if isinstance(value, str) else value


def _fill(text: str, env: Mapping[str, str], place: Place, needed: bool) -> str:
    if "${" in VARIABLE.sub("", text):
        raise place.wrong("${NAME} of an environment variable", "${ without a name and }")

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in env and needed:
            raise place.wrong(f"environment variable {match[1]} to be set", "none")
        found = env.get(match[1], "")
        if not _is_text(found):
            raise place.wrong(f"environment variable {match[1]} to be UTF-8 text", "other bytes")
        return found

    return VARIABLE.sub(value_of, text)
