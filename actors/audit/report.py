"""What `trueup verify` says of one asset. No Trio."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from actors.audit.rate import rate
from actors.audit.verdict import WHYS, Drift, Findings, Why

SHOWN, KEPT = 20, 1000
PLAIN: dict[Why, str] = {
    "never read": "never read by trueup",
    "pruned": "of blocks whose state no endpoint has",
    "no sum": "whose read fails at their block",
    "unsettled": "written, or on another branch, whenever they were looked at",
    "unanswered": "that no endpoint answered for",
    "disputed": "over which endpoints contradict each other",
}


@dataclass
class Report:
    """Of `rows` looked at. The first thousand wrong ones are kept, all are counted."""

    asset: str
    rows: int = 0
    checked: int = 0
    wrong: int = 0
    uncheckable: Counter[Why] = field(default_factory=Counter)
    drifts: list[Drift] = field(default_factory=list)
    disputes: list[str] = field(default_factory=list)

    def add(self, findings: Findings) -> None:
        """What came of some rows."""
        self.rows += findings.checked + len(findings.uncheckable)
        self.checked += findings.checked
        self.wrong += len(findings.drifts)
        self.uncheckable.update(findings.uncheckable.values())
        self.drifts += findings.drifts[: max(0, KEPT - len(self.drifts))]
        self.disputes += list(findings.disputes.values())[: max(0, SHOWN - len(self.disputes))]

    @property
    def share(self) -> float | None:
        """How many of the rows could be checked."""
        return self.checked / self.rows if self.rows else None

    def data(self) -> dict[str, Any]:
        """For `--json`."""
        found = rate(self.wrong, self.checked)
        return {
            "asset": self.asset,
            "rows": self.rows,
            "checked": self.checked,
            "wrong": self.wrong,
            "wrong_per_million": None if found is None else found.per_million,
            "wrong_per_million_low": None if found is None else found.low,
            "wrong_per_million_high": None if found is None else found.high,
            "checkable_share": self.share,
            "uncheckable": {why.replace(" ", "_"): self.uncheckable[why] for why in WHYS},
            "disputes": self.disputes,
            "drift": [_drift(drift) for drift in self.drifts],
        }

    def lines(self) -> list[str]:
        """For people."""
        share = "" if self.share is None else f" ({self.share:.1%})"
        found, text = rate(self.wrong, self.checked), f"{self.asset}: checked {self.checked} of {self.rows} rows{share}, {self.wrong} wrong"
        if found is not None:
            text += f": {found.per_million:,.0f} in a million, {found.low:,.0f} to {found.high:,.0f} at 95 %"
        reasons = [f"  not checked: {self.uncheckable[why]} {PLAIN[why]}" for why in WHYS if self.uncheckable[why]]
        wrong = [f"  wrong: {drift.text()}" for drift in self.drifts[:SHOWN]]
        more = [f"  and {self.wrong - SHOWN} more"] if self.wrong > SHOWN else []
        return [text, *reasons, *(f"  disputed: {said}" for said in self.disputes), *wrong, *more]


def _drift(drift: Drift) -> dict[str, Any]:
    row = drift.row
    return {
        "wallet": row.wallet,
        "balance": row.balance,
        "read_block": row.read_block,
        "updated_at": row.updated_at,
        "chain_balance": None if drift.chain_balance is None else str(drift.chain_balance),
        "block_hash": drift.block_hash,
        "endpoints": list(drift.endpoints),
        "note": drift.note,
    }
