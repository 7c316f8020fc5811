"""A database that has the schema, and short ways to say what is written into it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from actors.config import AssetConfig, Config, DatabaseConfig
from actors.evm.source import Source
from actors.messages import Reading, Repair, Touch, WriteBatch, WriteResult
from actors.store.names import table
from actors.store.pages import oldest_page
from actors.store.postgres import Conn
from actors.store.write import write

AUDIO = AssetConfig("AUDIO", "ethereum", "eth_wallet_balances", "audio_transfers", (Source(None, None),))
HASH = bytes(31) + b"\x01"


def wallet(number: int) -> bytes:
    """A wallet that tells itself apart."""
    return number.to_bytes(20, "big")


def key(number: int) -> str:
    """The same wallet as tables hold it."""
    return f"0x{number:040x}"


def config_of(*assets: AssetConfig) -> Config:
    """A config of these assets."""
    return Config(DatabaseConfig("postgresql://unused"), (), assets)


def reading(number: int, balance: int, block: int, event: int | None = None, **more: Any) -> Reading:
    """A wallet read at a block, because of an event or (None) of a sweep."""
    touch = Touch("AUDIO", wallet(number), event or 0, event, repair=more.pop("repair", None))
    return replace(Reading(touch, balance, block, HASH, 0, 0.0), **more)


@dataclass
class Store:
    """A connection to a database that has the schema, and the asset whose rows the test is about."""

    conn: Conn
    url: str
    asset: AssetConfig = AUDIO
    others: dict[str, AssetConfig] = field(default_factory=dict)

    def write(self, *readings: Reading, now: float = 0.0, **more: Any) -> WriteResult:
        """One transaction of the writer."""
        assets = {**self.others, self.asset.name: self.asset}
        return write(self.conn, WriteBatch(tuple(readings), clock=lambda: now, **more), assets)

    def row(self, number: int) -> tuple[Any, int | None, int | None] | None:
        """A wallet's balance, `blocknumber` and `read_block`."""
        found: tuple[Any, int | None, int | None] | None = self.one(
            f"select balance, blocknumber, read_block from {table(self.asset.table).as_string()} where wallet = %s",
            key(number),
        )
        return found

    def one(self, query: str, *args: Any) -> Any:
        """The first row of an answer."""
        return self.conn.execute(query.encode(), args).fetchone()

    def all(self, query: str, *args: Any) -> list[Any]:
        """All rows of an answer."""
        return self.conn.execute(query.encode(), args).fetchall()

    def repair(self, number: int, fork: int) -> Repair:
        """The row as a repair finds it now."""
        found: tuple[int, datetime] = self.one(
            "select read_block, updated_at from eth_wallet_balances where wallet = %s", key(number)
        )
        return Repair(fork, *found)

    def tracking(self, track: str) -> Store:
        """The same with another `track`."""
        return replace(self, asset=replace(self.asset, track=track))


def oldest(store: Store, limit: int) -> list[bytes]:
    """The wallets of the oldest rows, in wallet order."""
    page = oldest_page(store.conn, store.asset, limit, None, 0, None)
    return [] if page is None else sorted(bytes.fromhex(wallet[2:]) for wallet in page.wallets.split(","))
