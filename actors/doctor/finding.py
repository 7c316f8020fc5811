"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """`about` names the part, `text` says how it is, `fix` what mends it. A `hint` is nothing wrong. `details`: further lines;
    `measured`: the same in numbers, see `node/measured.py`.
    """

    about: str
    text: str
    ok: bool = True
    fix: str = ""
    details: tuple[str, ...] = ()
    measured: dict[str, Any] = field(default_factory=dict)


def wrong(about: str, text: str, fix: str) -> Finding:
    """Something that must be mended."""
    return Finding(about, text, False, fix)


def hint(about: str, text: str, fix: str) -> Finding:
    """Something that works, and could be better."""
    return Finding(about, text, True, fix)
