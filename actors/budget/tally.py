"""What was spent and is not in Postgres yet. It lives beside the mailboxes: no actor's death loses a unit of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Key = tuple[str, str]  # actor and method


class Spent(NamedTuple):
    """How many calls, and what they cost."""

    calls: int = 0
    units: int = 0


class Tally:
    """Counts by actor and method."""

    def __init__(self) -> None:
        self._unsaved: dict[Key, Spent] = {}
        self.units = 0  # of all that is unsaved

    def add(self, actor: str, method: str, units: int) -> None:
        """One more call."""
        calls, before = self._unsaved.get((actor, method), Spent())
        self._unsaved[actor, method] = Spent(calls + 1, before + units)
        self.units += units

    def unsaved(self) -> dict[Key, Spent]:
        """A copy of what is to be written."""
        return dict(self._unsaved)

    def saved(self, written: Mapping[Key, Spent]) -> None:
        """This much is in Postgres now; what came meanwhile stays."""
        for key, (calls, units) in written.items():
            now = self._unsaved[key]
            self.units -= units
            self._unsaved[key] = Spent(now.calls - calls, now.units - units)
            if not self._unsaved[key].calls:
                del self._unsaved[key]
