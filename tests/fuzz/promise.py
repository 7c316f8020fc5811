"""What every target holds the program to."""

from __future__ import annotations

from actors.secrets import mask

SECRET = "hunter2hunter2"  # planted wherever a key or a password may stand
LONGEST_ERROR = 1000


class Broken(AssertionError):
    """A promise that was not kept."""


def keep(kept: object, what: str) -> None:
    """Raise Broken unless it was."""
    if not kept:
        raise Broken(what)


def is_plain(text: str, most: int = LONGEST_ERROR) -> None:
    """An error's text is one line of bounded length, and with the registered secrets masked it shows none."""
    keep(text.isprintable(), f"not one line: {text[:200]!r}")
    keep(len(text) <= most, f"{len(text)} characters: {text[:200]!r}")
    keep(SECRET not in mask(text), f"tells a secret: {text[:200]!r}")
