"""What the double of Postgres holds: plain dicts that can take a unit of work back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from actors.messages import Marks

K = TypeVar("K")
V = TypeVar("V")
Undo = list[tuple[dict[Any, Any], Any, Any]]
Block = tuple[int, bytes]
BEGAN = datetime(2026, 1, 1)
PLACEHOLDER = datetime(1970, 1, 1)
_NOTHING = object()


class Row(NamedTuple):
    """A wallet's row in an asset's table."""

    balance: int
    blocknumber: int | None
    read_block: int | None
    updated_at: datetime


class Aside(NamedTuple):
    """A row of `trueup_set_aside`."""

    block: int | None
    error: str
    attempts: int
    next_attempt: datetime


class Lease(NamedTuple):
    """A row of `trueup_leases`."""

    holder: str
    until: datetime


class Spend(NamedTuple):
    """A row of `trueup_spend`."""

    calls: int
    units: int


class Asset(NamedTuple):
    """A row of `asset_on_chain`."""

    chain: str
    contract: str | None
    decimals: int | None = 18
    active: bool = True


class Entry(NamedTuple):
    """A row of `wallet_balances`. `address` is what the one lookup knows: text, active, on the asset's chain; None: nothing."""

    asset: str
    address: tuple[str, bool, bool] | None
    raw: str | None = None
    human: str | None = None
    locked_by: str | None = None
    locked_until: datetime | None = None
    status: str = "idle"
    last_checked: datetime | None = None
    last_processed_at: datetime | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None
    sync_count: int = 0
    error_count: int = 0
    wallet_id: str = "wallet"


class Seen(NamedTuple):
    """A row of `trueup_blocks`, beside its number and hash."""

    branch: int
    since: int | None = None


class Kept(dict[K, V]):
    """A dict that notes what it held before each `[key] = value` and `del`. Units use nothing else to change one."""

    def __init__(self, undo: Undo) -> None:
        super().__init__()
        self._undo = undo

    def __setitem__(self, key: K, value: V) -> None:
        self._undo.append((self, key, self.get(key, _NOTHING)))
        super().__setitem__(key, value)

    def __delitem__(self, key: K) -> None:
        self._undo.append((self, key, self.get(key, _NOTHING)))
        super().__delitem__(key)


class Contents:
    """Everything that Postgres holds. Values of a dict are never changed in place, so that a copy of a dict is a snapshot."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.undo: Undo = []
        self.holders: dict[str, Kept[bytes, Row]] = {}
        self.checkpoints: Kept[str, Marks | None] = Kept(self.undo)  # None: a row that never held a block
        self.chains: Kept[str, int] = Kept(self.undo)
        self.remembered: dict[str, Kept[Block, Seen]] = {}
        self.aside: Kept[tuple[str, bytes], Aside] = Kept(self.undo)
        self.leases: Kept[str, Lease] = Kept(self.undo)
        self.spend: Kept[tuple[str, date, str, str], Spend] = Kept(self.undo)
        self.audited: Kept[tuple[str, str, int, str], str | None] = Kept(self.undo)  # by what a row is told by: the outcome
        self.ledger: Kept[str, Entry] = Kept(self.undo)
        self.ledger_assets: dict[str, Asset] = {}
        self.ledger_chains: dict[str, tuple[str, str | None]] = {}  # by id: name and URL of the active ones
        self.learned: Kept[str, int] = Kept(self.undo)
        self.selected: dict[str, set[bytes]] = {}  # by asset: the addresses that its SELECT finds
        self.widths: dict[str, int] = {}  # by table: the greatest balance that its column holds

    def now(self) -> datetime:
        """The database's clock."""
        return BEGAN + timedelta(seconds=self._clock())

    def rows(self, table: str) -> Kept[bytes, Row]:
        """An asset's table, by wallet."""
        if table not in self.holders:
            self.holders[table] = Kept(self.undo)
        return self.holders[table]

    def blocks(self, chain: str) -> Kept[Block, Seen]:
        """A chain's remembered blocks."""
        if chain not in self.remembered:
            self.remembered[chain] = Kept(self.undo)
        return self.remembered[chain]

    def take_back(self) -> None:
        """Undo everything that was noted, newest first."""
        for held, key, before in reversed(self.undo):
            if before is _NOTHING:
                dict.pop(held, key, None)
            else:
                dict.__setitem__(held, key, before)
        self.undo.clear()
