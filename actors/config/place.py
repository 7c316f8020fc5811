"""Where in the config something is, and the one-line errors that say so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from actors.errors import ConfigError
from actors.log import one_line
from actors.secrets import mask

LONGEST_GOT = 80
LONGEST = 1000  # a key may be as long as the file
_KINDS = {
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "an array",
    dict: "a table",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A key by its path in a file, `chain[0].http[1]`; `origins`: which keys a variable has overridden."""

    file: str
    path: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)

    def at(self, name: str) -> Place:
        return replace(self, path=f"{self.path}.{name}" if self.path else name)

    def entry(self, index: int) -> Place:
        return replace(self, path=f"{self.path}[{index}]")

    def with_origins(self, origins: Mapping[str, str]) -> Place:
        return replace(self, origins=origins)

    def error(self, message: str) -> ConfigError:
        said = one_line(mask(f"{self.file}: {message}"))
        return ConfigError(said if len(said) <= LONGEST else said[:LONGEST] + "…")

    def at_key(self, message: str) -> ConfigError:
        origin = next(
            (
                name
                for path, name in self.origins.items()
                if self.path == path or self.path.startswith(f"{path}[")
            ),
            None,
        )
        return self.error(f"key {self.path}{f' (from {origin})' if origin else ''}: {message}")

    def wrong(self, expected: str, got: str) -> ConfigError:
        return self.at_key(f"expected {expected}, got {got}")


def shown(value: object) -> str:
    """A value as an error may show it: short, with its kind where the text alone does not tell."""
    if isinstance(value, str):
        return json.dumps(
            value if len(value) <= LONGEST_GOT else value[:LONGEST_GOT] + "…", ensure_ascii=False
        )
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= 10**LONGEST_GOT:
        return f"a number of more than {LONGEST_GOT} digits"  # of a few thousand, Python makes no text
    if isinstance(value, int | float):
        return str(value)
    return kind_of(value)


def kind_of(value: object) -> str:
    return _KINDS.get(type(value), "a date or time")
