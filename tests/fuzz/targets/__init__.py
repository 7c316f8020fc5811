"""The targets: each module has `target(data)`, which raises where a promise is broken, and `SEEDS`, inputs to begin with."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Protocol, cast


class Target(Protocol):
    """One of them."""

    target: Callable[[bytes], None]
    SEEDS: Sequence[bytes]


def names() -> list[str]:
    """All of them, by their modules' names."""
    return sorted(each.name for each in pkgutil.iter_modules(__path__))


def named(name: str) -> Target:
    """One of them. Raises ImportError."""
    return cast(Target, import_module(f"{__name__}.{name}"))
