"""What travels between the actors: touches to the batcher, outcomes to the writer. None is ever changed: actors share no objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from actors.record import record


@dataclass(frozen=True, slots=True)
class Repair:
    """The row as the repair found it: it may be overwritten by an older block only while it is still that row.

    `fork` is the newest block that both branches share, `branch` the one that the chain went over to: on a later one it means nothing.
    """

    fork: int
    was_block: int
    was_updated_at: datetime
    branch: int = 0


@record(frozen=True, slots=True)
class Touch:
    """A request to read one wallet of an asset again.

    `need`: the block that the read must not precede (0: any). `event_block`: what goes to `blocknumber` (None: a sweep, or a hint), and
    `event_branch` the branch that it was found on.
    `block_hash`: the hash of block `need` as a pushed log named it. `errands`: ids of all errands that wait for it.
    """

    asset: str
    wallet: bytes
    need: int = 0
    event_block: int | None = None
    block_hash: bytes | None = None
    errands: frozenset[int] = frozenset()
    live: bool = True
    repair: Repair | None = None
    suspect: bool = False
    event_branch: int = 0

    def waited_for_by(self, errands: frozenset[int]) -> Touch:
        """The touch with these errands. `dataclasses.replace` takes several times as long, and each touch comes through here."""
        return Touch(
            self.asset,
            self.wallet,
            self.need,
            self.event_block,
            self.block_hash,
            errands,
            self.live,
            self.repair,
            self.suspect,
            self.event_branch,
        )


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one asset that a sweep reads again, held as text: an object for each of a million rows a minute would cost more than all else.

    `wallets`: `0x…`, joined by commas; `count` of them. `id` is the page's own within its errand. `failures`: how often its
    read has failed.
    """

    id: int
    errand: int
    asset: str
    wallets: str
    count: int
    failures: int = 0


@dataclass(frozen=True, slots=True)
class PageReading:
    """The sums of a page's wallets, but for those that had none and are asked for alone: as `0x…`, joined by commas."""

    page: Page
    wallets: str
    balances: str
    count: int
    block: int
    block_hash: bytes
    branch: int
    read_at: float


@dataclass(frozen=True, slots=True)
class PageResult:
    """What a page's transaction did: how many rows took the value; None where it was refused, as `WriteResult` has it."""

    updated: int | None
    branch: int
    closed: int | None


@record(frozen=True, slots=True)
class Reading:
    """A wallet's sum at a block of a branch. `read_at` is the monotonic time in seconds at which it was asked for."""

    touch: Touch
    balance: int
    block: int
    block_hash: bytes
    branch: int
    read_at: float


@record(frozen=True, slots=True)
class Covered:
    """A touch that the row's `read_block` already covers: only `blocknumber` is to move."""

    touch: Touch
    branch: int


@record(frozen=True, slots=True)
class Failed:
    """A wallet that failed alone: to be set aside."""

    touch: Touch
    error: str
    branch: int


@record(frozen=True, slots=True)
class Raised:
    """A touch of a wallet that is set aside: its stored block is raised, and the touch is finished by that."""

    touch: Touch
    branch: int


@dataclass(frozen=True, slots=True)
class Settle:
    """An errand that may have nothing left to wait for: the writer ends it if so."""

    errand: int


@dataclass(frozen=True, slots=True)
class Release:
    """A claim of ledger rows that is given up: the writer frees what is left of it."""

    errand: int


Outcome = Reading | Covered | Failed | Raised | Settle | Release


@dataclass(frozen=True, slots=True)
class Marks:
    """A checkpoint's two marks; `confirmed` is None in a row that another program wrote."""

    last_block: int
    confirmed: int | None

    @property
    def first_unconfirmed(self) -> int:
        """Where a whole closing begins: a checkpoint that another program wrote is asked for itself, too."""
        return self.last_block if self.confirmed is None else self.confirmed + 1

    def closed_up_to(self, block: int, confirms: int | None) -> Marks:
        """The marks after a closing up to that block; what was closed before it confirms up to `confirms`, or none of it."""
        last = max(self.last_block, block)
        return Marks(last, self.confirmed if confirms is None else min(self.last_block, block, confirms))


@dataclass(frozen=True, slots=True)
class Move:
    """A checkpoint's step, taken in the transaction that ends the closing `errand`. `block_hash` is that of `target.last_block`."""

    errand: int
    chain: str
    name: str
    branch: int
    expect: Marks
    target: Marks
    block_hash: bytes | None


@dataclass(frozen=True, slots=True)
class WriteBatch:
    """One transaction of the writer. Readings hold each (asset, wallet) at most once; `clock` is the monotonic one, for ages, which is
    read once the rows are written: Postgres may have been away in between.
    """

    readings: tuple[Reading, ...] = ()
    covered: tuple[Covered, ...] = ()
    failed: tuple[Failed, ...] = ()
    raised: tuple[Raised, ...] = ()
    moves: tuple[Move, ...] = ()
    clock: Callable[[], float] = field(default=float, compare=False)  # stopped at 0


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What the transaction did.

    `refused`: touches whose outcome was of an older branch, or of a closed block that is not the one that was closed (not written, not
    finished); `branches` and `closed`: each chain's branch and each asset's last closed block, as the transaction found them;
    `moved`/`dropped`: closings by errand id; `updated`: the (asset, wallet) whose value was stored.
    """

    refused: tuple[Touch, ...] = ()
    branches: dict[str, int] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    moved: tuple[int, ...] = ()
    dropped: tuple[int, ...] = ()
    updated: frozenset[tuple[str, bytes]] = field(default_factory=frozenset)
