"""What a new config changes of the one in force: which keys may be tuned in place, and which wait for a restart. No Trio.

Chains and assets are matched by their names. What is in force afterwards is the old config with nothing but tunable keys changed; it has to
pass the checks that any config passes, since two halves of two sound configs need not be one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from actors.config import across
from actors.config.keys import ARRAYS, TABLES, Config, keys_of
from actors.config.place import Place
from actors.config.show import toml
from actors.errors import ConfigError
from actors.secrets import HIDDEN

PRICES = "budget.prices_file"


@dataclass(frozen=True, slots=True)
class Change:
    """A key by its dotted name, `chain.ethereum.confirm_secs`, and its two values as they may be shown."""

    key: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.key} {self.old} -> {self.new}"


@dataclass(frozen=True, slots=True)
class Changes:
    """`config`: what is in force afterwards. `restart`: what differs and waits, a key, `chain.NAME` of an entry that came or went, or `chain`
    where their order is another one.
    """

    config: Config
    tuned: tuple[Change, ...]
    restart: tuple[str, ...]


class _Sorted:
    """The changes, as they are found."""

    def __init__(self) -> None:
        self.tuned: list[Change] = []
        self.restart: list[str] = []

    def table(self, path: str, old: Any, new: Any) -> Any:
        """The old table with its tunable keys as in the new one."""
        taken = {}
        for name, key in keys_of(type(old)).items():
            was, now = getattr(old, name), getattr(new, name)
            if was == now:
                continue
            if is_tunable(key.metadata, was, now):
                taken[name] = now
                shown = (HIDDEN, HIDDEN) if key.metadata["secret"] else (toml(was), toml(now))
                self.tuned.append(Change(f"{path}.{name}", *shown))
            else:
                self.restart.append(f"{path}.{name}")
        return dataclasses.replace(old, **taken)

    def array(self, kind: str, old: tuple[Any, ...], new: tuple[Any, ...]) -> Iterator[Any]:
        """The old entries with their tunable keys as in the new ones."""
        before, after = {entry.name: entry for entry in old}, {entry.name: entry for entry in new}
        self.restart += [f"{kind}.{name}" for name in dict.fromkeys([*before, *after]) if name not in before or name not in after]
        if [name for name in before if name in after] != [name for name in after if name in before]:
            self.restart.append(kind)
        for name, entry in before.items():
            yield self.table(f"{kind}.{name}", entry, after[name]) if name in after else entry


def is_tunable(metadata: Mapping[str, Any], was: Any, now: Any) -> bool:
    """Whether a key with that metadata may change so in place."""
    return bool(metadata["tunable"]) and not (metadata.get("off_at_zero") and bool(was) != bool(now))


def changes(old: Config, new: Config) -> Changes:
    """See the module. Raises ConfigError where the new values of tunable keys do not go together with the old ones of the others."""
    found = _Sorted()
    taken: dict[str, Any] = {name: found.table(name, getattr(old, name), getattr(new, name)) for name in TABLES}
    taken |= {f"{kind}s": tuple(found.array(kind, getattr(old, f"{kind}s"), getattr(new, f"{kind}s"))) for kind in ARRAYS}
    if old.prices != new.prices and old.budget == new.budget:
        file = toml(new.budget.prices_file)
        found.tuned.append(Change(PRICES, file, f"{file}, which has changed"))
    in_force = dataclasses.replace(old, **taken, prices=new.prices)
    try:
        across.check(in_force, Place(new.path))
    except ConfigError as error:
        raise ConfigError(f"{error}, while these wait for a restart: {', '.join(found.restart)}") from None
    return Changes(in_force, tuple(found.tuned), tuple(found.restart))
