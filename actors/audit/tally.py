"""What the audit of one asset has found since the process began, and what is shown of it. No Trio."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from actors.audit.rate import rate
from actors.audit.verdict import Findings
from actors.moments import iso

MOST_BLOCKED = 1000  # while so many are, none is mended: their mends would be the same again and again
DISPUTE_OVER = 1000  # rows that were checked since without one
REMEMBERED = 100_000  # drawn rows: older ones count less and less in the share


@dataclass
class Tally:
    """It outlives the actor. `drawn` rows were as they come, `in_reach` of them could be checked; `blocked`: wallets whose row is wrong
    still after it was read again, and the evidence; `dispute`: the newest row that endpoints contradict each other over; `too_slow`: why no
    row can be drawn.
    """

    checked: int = 0
    wrong: int = 0
    uncheckable: int = 0
    mended: int = 0
    drawn: float = 0.0
    in_reach: float = 0.0
    last_wrong_at: datetime | None = None
    blocked: dict[str, str] = field(default_factory=dict)
    dispute: str | None = None
    too_slow: str | None = None
    _checked_since: int = 0

    def share(self) -> float | None:
        """Of all rows, how many can be checked; None before any was drawn."""
        return self.in_reach / self.drawn if self.drawn else None

    def add(self, drawn: int, chosen: int, known: int, findings: Findings) -> None:
        """One tick's. Of `drawn` rows `known` were known to be out of reach; of the others `chosen` were checked."""
        self.checked += findings.checked
        self.wrong += len(findings.drifts)
        self.uncheckable += known + len(findings.uncheckable)
        if findings.drifts:
            self.last_wrong_at = datetime.now(UTC)
        if self.drawn > REMEMBERED:
            self.drawn, self.in_reach = self.drawn / 2, self.in_reach / 2
        self.drawn += drawn
        self.in_reach += (drawn - known) * (findings.checked / chosen if chosen else 1.0)
        self._heard(findings)

    def _heard(self, findings: Findings) -> None:
        self._checked_since += findings.checked
        if findings.disputes:
            self.dispute, self._checked_since = next(iter(findings.disputes.values())), 0
        elif self._checked_since >= DISPUTE_OVER:
            self.dispute = None

    def mends(self, wallet: str) -> bool:
        """Whether a wrong row is to be read again: not where that did not help."""
        return wallet not in self.blocked and len(self.blocked) < MOST_BLOCKED

    def block(self, wallet: str, text: str) -> None:
        """A row is wrong still."""
        if wallet in self.blocked or len(self.blocked) < MOST_BLOCKED:
            self.blocked[wallet] = text

    def shown(self) -> dict[str, Any]:
        """For `/api/status`."""
        found, share = rate(self.wrong, self.checked), self.share()
        return {
            "checked": self.checked,
            "wrong": self.wrong,
            "uncheckable": self.uncheckable,
            "mended": self.mended,
            "wrong_per_million": None if found is None else round(found.per_million, 3),
            "wrong_per_million_low": None if found is None else round(found.low, 3),
            "wrong_per_million_high": None if found is None else round(found.high, 3),
            "checkable_share": None if share is None else round(share, 4),
            "last_wrong_at": None if self.last_wrong_at is None else iso(self.last_wrong_at),
            "blocked": self._blocked(),
            "blocked_rows": len(self.blocked),
        }

    def _blocked(self) -> str | None:
        more = len(self.blocked) - 1
        wrong = None if not self.blocked else next(iter(self.blocked.values())) + (f"; and {more} more" if more else "")
        return "; ".join(filter(None, (wrong, self.dispute, self.too_slow))) or None
