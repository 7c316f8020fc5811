"""docs/config.md, made of the code that validates the config and of the comments in config/trueup.toml, so that neither is said twice."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any, get_type_hints

from actors import secrets
from actors.config import checks
from actors.config.environment import variable_of
from actors.config.keys import ARRAYS, TABLES, keys_of
from actors.evm.logs import Trigger
from actors.evm.source import Source

ROOT = Path(__file__).parents[2]
FILE = ROOT / "config" / "trueup.toml"
PAGE = ROOT / "docs" / "config.md"
KINDS = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "text",
    bytes: "address",
    tuple[str, ...]: "array of texts",
    tuple[Source, ...]: "array of tables",
    tuple[Trigger, ...]: "array of tables",
}
# What no check of any key takes, so that each says what it expects instead.
NOTHING = "\0"
HEAD = """# Config reference

Written by `just reference` from the code that validates the config (`actors/config/keys.py`) and from the comments in
[config/trueup.toml](../config/trueup.toml), which is a whole config with every key; a test fails where this page is not what they give. For a first
config see the [README](../README.md#run-it-on-your-own-database-and-node), for what to choose [operating](operating.md).

- A config is one TOML file, given to each command by `-c FILE`. `trueup config -c FILE` shows what it comes to, secrets masked.
- `${NAME}` in any text is replaced by that environment variable. One that is not set is an error, but in `[ledger]` and `[chaos]` while they are not enabled.
- The variable under a key overrides it, whatever the file says. `NAME` stands for an entry's `name`, in capitals, each run of other
  signs than letters and digits as `_`; an array of texts is parted by commas. A variable `TRUEUP_…__…` that names no key is an error.
- Whatever is wrong is one line that names the file, the key, what was expected and what was there, with exit code 2, before anything is written.
- *required*: there is no default. *secret*: shown nowhere, also not in an error; of a URL scheme and host are shown.
- *SIGHUP*: changed in the file, it is taken up by a running service on that signal; each other key needs a restart.
"""


def page() -> str:
    """The whole page."""
    comments = comments_of(FILE.read_text())
    sections = "\n".join(_section(name, comments) for name in _order())
    return HEAD + "\n" + sections


def _order() -> list[str]:
    """As the file has them."""
    names = re.findall(r"^\[+(\w+)\]+", FILE.read_text(), re.MULTILINE)
    assert sorted(names) == sorted([*TABLES, *ARRAYS])
    return names


def comments_of(text: str) -> dict[str, str]:
    """What the file says of each table and of each `table.key`: the comment behind it, and the lines of comment right above."""
    said: dict[str, str] = {}
    table, above, depth = "", list[str](), 0
    for line in text.splitlines():
        code, comment = _parted(line)
        if depth == 0 and (found := re.match(r"\[+(\w+)\]+$", code)):
            table, above = found[1], []
            said[table] = comment
        elif depth == 0 and (found := re.match(r"(\w+) = ", code)):
            said[f"{table}.{found[1]}"] = " ".join([*above, comment]).strip()
        above = [*above, comment] if not code and comment else []
        depth += code.count("[") - code.count("]") if not code.startswith("[") else 0
    return said


def _parted(line: str) -> tuple[str, str]:
    """A line's code and its comment; a # inside a text begins none."""
    found = re.match(r"""((?:[^"#]|"[^"]*")*)(?:#\s*(.*))?$""", line)
    assert found is not None
    return found[1].strip(), (found[2] or "").strip()


def _section(name: str, comments: dict[str, str]) -> str:
    table = {**TABLES, **ARRAYS}[name]
    title = f"[[{name}]]" if name in ARRAYS else f"[{name}]"
    said = f"\n{_cell(comments[name])}.\n" if comments[name] else ""
    rows = [_row(name, key, get_type_hints(table)[key.name], comments.get(f"{name}.{key.name}", "")) for key in keys_of(table).values()]
    head = "| key | type, default | allowed | what it does |\n| --- | --- | --- | --- |\n"
    return f"## `{title}`\n{said}\n{head}" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(table: str, key: dataclasses.Field[Any], hint: Any, comment: str) -> list[str]:
    variable = variable_of(table, key.name)
    name = f"`{key.name}`<br>" + (f"<sub>`{variable}`</sub>" if variable else "<sub>in the file only</sub>")
    marks = [mark for mark, on in (("secret", key.metadata["secret"]), ("SIGHUP", key.metadata["tunable"])) if on]
    default = "*required*" if key.default is dataclasses.MISSING else f"`{_toml(key.default)}`"
    kind = "<br>".join([KINDS[hint], default, *(f"*{mark}*" for mark in marks)])
    return [name, kind, _allowed(key), _cell(re.sub(r"^(?:\* ?|[Rr]equired(?:[;:] ?|$))", "", comment))]


def _allowed(key: dataclasses.Field[Any]) -> str:
    """What the key's metadata allows beyond its type."""
    given = key.metadata
    if "choices" in given:
        return ", ".join(f"`{choice}`" for choice in given["choices"])
    bounds = [f"above {_number(given['above'])}"] if "above" in given else []
    bounds += [f"{_number(given['low'])} to {_number(given['high'])}"] if "low" in given else []
    bounds += [f"at most {_number(given['high'])}"] if "high" in given and "low" not in given else []
    bounds += [_expected(given["check"])] if "check" in given else []
    bounds += ["at least one"] if given.get("few") else []
    return _cell(", ".join(bounds))


def _expected(check: Any) -> str:
    """What the check says that it expects."""
    try:
        check(NOTHING)
    except checks.Unexpected as error:
        return error.expected
    finally:
        secrets.clear()  # the checks of secrets remember what they were given
    raise AssertionError(f"{check.__name__} takes what nothing may take")


def _number(value: float) -> str:
    return f"{int(value):,}"


def _toml(value: Any) -> str:
    if isinstance(value, bytes):
        return json.dumps(checks.checksummed(value))
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return json.dumps(value)


def _cell(text: str) -> str:
    """Nothing in it may end the cell, or be taken for markup."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
