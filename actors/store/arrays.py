"""Arrays as text literals: Postgres parses them several times faster than psycopg dumps lists of numbers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime


def literal(values: Iterable[int | float | str | None]) -> str:
    """An array literal. Strings must be plain (hex, ISO times): nothing is quoted."""
    return "{" + ",".join(["NULL" if value is None else str(value) for value in values]) + "}"


def nulls(count: int) -> str:
    """An array literal of so many nothings."""
    return "{" + ",".join(["NULL"] * count) + "}"


def texts(wallets: Iterable[bytes]) -> str:
    """An array literal of wallets."""
    return "{" + ",".join(["0x" + wallet.hex() for wallet in wallets]) + "}"


def times(values: Iterable[datetime | None]) -> str:
    """An array literal of timestamps."""
    return literal(None if value is None else value.isoformat() for value in values)


def text(wallet: bytes) -> str:
    """A wallet, or a hash, as tables hold it."""
    return "0x" + wallet.hex()


def from_text(value: str) -> bytes:
    """A wallet, or a hash, as memory holds it."""
    return bytes.fromhex(value[2:])
