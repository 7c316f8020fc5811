"""One suite holds real Postgres and the simulation's double to the same rules: what both sides can do, and the double's."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, TypeVar

from actors.config import AssetConfig
from actors.messages import Marks, Reading, Repair, WriteBatch, WriteResult
from actors.store import holders, write
from tests.simulation.tables import Row, Tables
from tests.simulation.tables_contents import Seen
from tests.store.scene import AUDIO

T = TypeVar("T")
BETA = replace(AUDIO, name="BETA", table="other_balances", checkpoint="beta", track="table")
GAMMA = replace(
    AUDIO,
    name="GAMMA",
    chain="base",
    table="gamma_balances",
    checkpoint="gamma",
    track="select wallet from users",
    target_age_secs=60,
)
ASSETS = {asset.name: asset for asset in (AUDIO, BETA, GAMMA)}
NARROW = {BETA.table: 3, GAMMA.table: 3}  # how many digits a balance has there


class Side(ABC):
    """One of the two. What `taken` holds is how a repair found each row: each side's own."""

    def __init__(self) -> None:
        self.taken: dict[tuple[str, bytes], Repair] = {}
        self.written = WriteBatch()

    @abstractmethod
    def run(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a unit of `actors/store`."""

    @abstractmethod
    def pass_time(self, secs: float) -> None:
        """Let the clock go on."""

    @abstractmethod
    def contents(self) -> dict[str, Any]:
        """All that is stored."""

    @abstractmethod
    def put_row(self, asset: AssetConfig, wallet: bytes, row: Row) -> None:
        """Another program's row, over what is there."""

    @abstractmethod
    def delete_row(self, asset: AssetConfig, wallet: bytes) -> None:
        """Another program takes a row away."""

    @abstractmethod
    def put_marks(self, name: str, marks: Marks | None) -> None:
        """Another program's checkpoint; None: one that never held a block."""

    @abstractmethod
    def put_blocks(self, name: str, blocks: Iterable[tuple[int, bytes]]) -> None:
        """Remembered blocks of a chain."""

    @abstractmethod
    def select(self, wallets: Iterable[bytes]) -> None:
        """What the SELECT of GAMMA finds from now on."""

    def write(self, *readings: Reading, now: float = 0.0, **more: Any) -> WriteResult:
        """One transaction of the writer."""
        self.written = WriteBatch(tuple(readings), clock=lambda: now, **more)
        return self.run(write.write, self.written, ASSETS)

    def again(self) -> WriteResult:
        """A redelivery of the last batch, word for word."""
        return self.run(write.write, self.written, ASSETS)

    def put_rows(self, rows: Iterable[tuple[AssetConfig, bytes, Row]]) -> None:
        """Rows of another program."""
        for row in rows:
            self.put_row(*row)

    def take(self, asset: AssetConfig, fork: int) -> list[holders.RowState]:
        """Find the rows above a fork, and keep how each was found."""
        found = self.run(holders.above, asset, fork, "", 100)
        for row in found:
            assert row.read_block is not None
            self.taken[asset.name, row.wallet] = Repair(fork, row.read_block, row.updated_at)
        return found

    def take_all(self, fork: int) -> list[list[holders.RowState]]:
        """The same of all assets."""
        return [self.take(asset, fork) for asset in ASSETS.values()]

    def row(self, wallet: bytes, asset: AssetConfig = AUDIO) -> Any:
        """A wallet's balance, `blocknumber` and `read_block`; None where there is no row."""
        found = self.contents()["rows"].get((asset.table, wallet))
        return found and found[:3]


class DoubleSide(Side):
    """The double."""

    def __init__(self) -> None:
        super().__init__()
        self._secs = 0.0
        self.tables = Tables(lambda: self._secs)
        self.tables.widths |= {table: 10**digits - 1 for table, digits in NARROW.items()}

    def run(self, fn: Callable[..., T], *args: Any) -> T:
        return self.tables.unit(fn)(*args)

    def pass_time(self, secs: float) -> None:
        self._secs += secs

    def contents(self) -> dict[str, Any]:
        held = self.tables
        return {
            "rows": {(table, wallet): row for table, rows in held.holders.items() for wallet, row in rows.items()},
            "checkpoints": dict(held.checkpoints),
            "chains": dict(held.chains),
            "blocks": {(name, *block): tuple(seen) for name, blocks in held.remembered.items() for block, seen in blocks.items()},
            "aside": {key: tuple(aside) for key, aside in held.aside.items()},
            "leases": {role: tuple(lease) for role, lease in held.leases.items()},
            "spend": {key: tuple(row) for key, row in held.spend.items()},
        }

    def put_row(self, asset: AssetConfig, wallet: bytes, row: Row) -> None:
        self.tables.rows(asset.table)[wallet] = row

    def delete_row(self, asset: AssetConfig, wallet: bytes) -> None:
        self.tables.rows(asset.table).pop(wallet, None)

    def put_marks(self, name: str, marks: Marks | None) -> None:
        self.tables.checkpoints[name] = marks

    def put_blocks(self, name: str, blocks: Iterable[tuple[int, bytes]]) -> None:
        for block in blocks:
            self.tables.blocks(name)[block] = Seen(self.tables.chains.get(name, 0))

    def select(self, wallets: Iterable[bytes]) -> None:
        self.tables.selected[GAMMA.name] = set(wallets)
