"""What is right, wrong, or not to be told: decisions from what was read. No Trio.

A row is wrong only if two readings of the block that it names say so with one voice, the row stands as it stood before, the chain is on the
branch that it was on, and nothing remembers another block at that number. Where another endpoint says what the row says, one endpoint's word
is not enough: the row is disputed. Whatever is less is no alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Why = Literal["never read", "pruned", "no sum", "unsettled", "unanswered", "disputed"]
WHYS: tuple[Why, ...] = ("never read", "pruned", "no sum", "unsettled", "unanswered", "disputed")
AHEAD = 1024  # blocks: further above every head than any node lags


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was selected. Balance and time are texts: whoever wrote them, they may be no whole number and no time that Python has.

    `aside`: the wallet is set aside, its read fails.
    """

    wallet: str
    balance: str
    read_block: int | None
    updated_at: str
    aside: bool = False

    def stands_as(self, other: Row | None) -> bool:
        """Whether it is the same row still."""
        return other is not None and self.key == other.key

    @property
    def key(self) -> tuple[str, str, int | None, str]:
        """What a row is told by: written again, it is another one."""
        return self.wallet, self.balance, self.read_block, self.updated_at


@dataclass(frozen=True, slots=True)
class Selected:
    """Rows, and the chain's branch when they were selected."""

    rows: Sequence[Row]
    branch: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What one endpoint said of wallets at one block: a sum each, None where the wallet has none. `archive`: it keeps all state, and nobody
    but the audit asks it.
    """

    block_hash: str
    endpoint: str
    url: str
    sums: Mapping[str, int | None]
    archive: bool = False


@dataclass(frozen=True, slots=True)
class Now:
    """How things stand after the readings: the rows by wallet, the branch, the remembered hashes by number, what else is to be said of a
    wallet, and the newest block that was ever read at or closed.
    """

    rows: Mapping[str, Row]
    branch: int
    remembered: Mapping[int, frozenset[str]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    newest: int = 0


@dataclass(frozen=True, slots=True)
class Drift:
    """A wrong row, and the evidence. `chain_balance` and `block_hash` are None where the chain has no such block, and never had one near;
    then `newest` is the newest block that is known.
    """

    row: Row
    chain_balance: int | None
    block_hash: str | None
    endpoints: tuple[str, ...]
    branch: int
    note: str = ""
    newest: int = 0

    def text(self) -> str:
        """One line."""
        names = " and ".join(self.endpoints)
        if self.chain_balance is None:
            said = f"there is no block {self.row.read_block}, by {names}"
        else:
            said = f"the chain says {self.chain_balance} at block {self.row.read_block} ({self.block_hash}), by {names}"
        return f"{self.row.wallet}: the row says {self.row.balance}, {said}" + (f" ({self.note})" if self.note else "")


@dataclass
class Findings:
    """What came of a check: how many rows were compared, those of them that are wrong, and of the other wallets why they could not be; of
    the disputed ones, who says what.
    """

    checked: int = 0
    drifts: list[Drift] = field(default_factory=list)
    uncheckable: dict[str, Why] = field(default_factory=dict)
    disputes: dict[str, str] = field(default_factory=dict)

    def miss(self, rows: Iterable[Row], why: Why) -> None:
        """These could not be compared."""
        self.uncheckable.update({row.wallet: why for row in rows})


def is_ahead(block: int, newest: int | None) -> bool:
    """Whether a block is so far above the newest head that is known that no chain of these nodes can have had it; None: not all were heard."""
    return newest is not None and block > newest + AHEAD


def suspects(rows: Sequence[Row], answered: Answered) -> list[Row]:
    """The rows that do not hold what was answered; one without a sum is none."""
    return [row for row in rows if (found := answered.sums.get(row.wallet)) is not None and row.balance != str(found)]


Opinion = Literal["right", "wrong", "no sum", "disputed", "unsettled"]


def opinion_of(row: Row, first: Answered, second: Answered, preferred: Answered | None) -> Opinion:
    """What the readings of a suspect make of it. `first` contradicts it; `second` is another endpoint's, or the first one's by another rung;
    `preferred`: the preferred endpoint's, if it was not asked before.

    An archive, which wrote no row, outweighs one endpoint that may have written this one.
    """
    if second.sums[row.wallet] is None:
        return "no sum"
    voices = [one for one in (first, second, preferred) if one is not None]
    for_it = [one for one in voices if str(one.sums[row.wallet]) == row.balance]
    against = [one for one in voices if _said(one, row) == _said(first, row)]
    if first.url == second.url and second not in against:  # it contradicts itself, and is no voice
        return "right" if for_it and preferred not in against else "unsettled"
    if for_it:
        return "wrong" if len(against) > 1 and _weight(against) > _weight(for_it) else "disputed"
    return "wrong" if second in against else "unsettled"


def _said(one: Answered, row: Row) -> tuple[int | None, str]:
    return one.sums[row.wallet], one.block_hash


def _weight(voices: Iterable[Answered]) -> int:
    """Two rungs of one endpoint are one voice."""
    return sum(2 if archive else 1 for _, archive in {(one.url, one.archive) for one in voices})


Stand = Literal["stands", "moved", "gone", "reorg", "lag"]


def stand(row: Row, block_hash: str | None, branch: int, now: Now) -> Stand:
    """Whether a row that two readings found wrong may be called so: `branch` is that of its selection, `block_hash` the block's that was
    read.

    Every reading above the checkpoint, and the newest closed ones, left their block in `remembered`. Where the chain has another one there
    now, the row is of an orphaned block: the reorg is being healed, or about to be found. And where something was read or closed at or above
    a block that no endpoint has, it is the endpoints that are behind.
    """
    found = now.rows.get(row.wallet)
    if found is None:
        return "gone"
    if not row.stands_as(found):
        return "moved"
    known = now.remembered.get(row.read_block or 0, frozenset())
    if now.branch != branch or any(one != block_hash for one in known):
        return "reorg"
    if block_hash is None and (row.read_block or 0) <= now.newest:
        return "lag"
    return "stands"
