"""What is right, wrong, or not to be told: decisions from what was read. No Trio.

A row is wrong only if two readings of the block that it names say so with one voice, the row stands as it stood before, the chain is on the
branch that it was on, and nothing remembers another block at that number. Whatever is less is no alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Why = Literal["never read", "pruned", "no sum", "unsettled", "unanswered"]
WHYS: tuple[Why, ...] = ("never read", "pruned", "no sum", "unsettled", "unanswered")
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
    """What one endpoint said of wallets at one block: a sum each, None where the wallet has none."""

    block_hash: str
    endpoint: str
    url: str
    sums: Mapping[str, int | None]


@dataclass(frozen=True, slots=True)
class Now:
    """How things stand after the readings: the rows by wallet, the branch, the remembered hashes by number, and what else is to be said of
    a wallet.
    """

    rows: Mapping[str, Row]
    branch: int
    remembered: Mapping[int, frozenset[str]] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drift:
    """A wrong row, and the evidence. `chain_balance` and `block_hash` are None where the chain has no such block, and never had one near."""

    row: Row
    chain_balance: int | None
    block_hash: str | None
    endpoints: tuple[str, ...]
    branch: int
    note: str = ""

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
    """What came of a check: how many rows were compared, those of them that are wrong, and of the other wallets why they could not be."""

    checked: int = 0
    drifts: list[Drift] = field(default_factory=list)
    uncheckable: dict[str, Why] = field(default_factory=dict)

    def miss(self, rows: Iterable[Row], why: Why) -> None:
        """These could not be compared."""
        self.uncheckable.update({row.wallet: why for row in rows})


def is_ahead(block: int, heads: Sequence[int]) -> bool:
    """Whether a block is so far above all heads that no chain of these nodes can have had it."""
    return bool(heads) and block > max(heads) + AHEAD


def suspects(rows: Sequence[Row], answered: Answered) -> list[Row]:
    """The rows that do not hold what was answered; one without a sum is none."""
    return [row for row in rows if (found := answered.sums.get(row.wallet)) is not None and row.balance != str(found)]


Opinion = Literal["right", "wrong", "no sum", "disputed"]


def second_opinion(row: Row, first: int | None, second: int | None) -> Opinion:
    """What two readings of a suspect make of it."""
    if second is None:
        return "no sum"
    if str(second) == row.balance:
        return "right"
    return "wrong" if first == second else "disputed"


Stand = Literal["stands", "moved", "gone", "reorg"]


def stand(row: Row, block_hash: str | None, branch: int, now: Now) -> Stand:
    """Whether a row that two readings found wrong may be called so: `branch` is that of its selection, `block_hash` the block's that was
    read.

    Every reading above the checkpoint, and the newest closed ones, left their block in `remembered`. Where the chain has another one there
    now, the row is of an orphaned block: the reorg is being healed, or about to be found.
    """
    found = now.rows.get(row.wallet)
    if found is None:
        return "gone"
    if not row.stands_as(found):
        return "moved"
    known = now.remembered.get(row.read_block or 0, frozenset())
    if now.branch != branch or any(one != block_hash for one in known):
        return "reorg"
    return "stands"
