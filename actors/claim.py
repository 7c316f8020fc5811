"""A claim of ledger rows: what is to be read for them, and what is wrong with those that cannot be read. No Trio.

Rows of one wallet and asset are one touch, and each of them is written. A ledger asset is named by what is read, so that the sources
follow from the name: `ledger:native`, or `ledger:0x…` of a token.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from actors.errand import Item, Key
from actors.errors import TrueupError
from actors.evm.abi import parse_call
from actors.evm.source import Source
from actors.messages import Failed, Touch

LABEL = "ledger"
PREFIX = "ledger:"
NATIVE = PREFIX + "native"
UNREAD = PREFIX + "row"  # stands where nothing is read; the key is the row's own
BALANCE_OF = parse_call("balanceOf(address)")
ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
MOST_DECIMALS = 77
SHOWN = 60


class RowError(TrueupError):
    """What is wrong with a row: it is written into the row."""


@dataclass(frozen=True, slots=True)
class Address:
    """What one lookup knows of a row's wallet."""

    lookup: str
    text: str | None
    active: bool
    same_chain: bool


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A claimed row of `wallet_balances`, its asset, and what each lookup found of its wallet, in order."""

    id: str
    wallet_id: str
    asset_id: str
    addresses: tuple[Address, ...]
    contract: str | None
    decimals: str | None
    native: bool


@dataclass(frozen=True, slots=True)
class Held:
    """A row that is held, as it named its wallet and asset, and by how many places its balance's point is shifted."""

    id: str
    wallet_id: str
    asset_id: str
    decimals: int = 0


@dataclass(frozen=True, slots=True)
class Claim:
    """The rows that are held under one `locked_by`, by what is read for them. `id_type` is the type of their ids."""

    locked_by: str
    id_type: str
    rows: Mapping[Key, tuple[Held, ...]]


def is_ledger(asset: str) -> bool:
    """Whether it is a ledger asset; the config's assets have no colon in their names."""
    return asset.startswith(PREFIX)


def label_of(asset: str) -> str:
    """The asset's name in metrics: what the database names has no bound."""
    return LABEL if is_ledger(asset) else asset


@lru_cache(maxsize=4096)
def sources_of(asset: str) -> tuple[Source, ...]:
    """What a ledger asset is read from."""
    if asset == NATIVE:
        return (Source(None, None),)
    return (Source(bytes.fromhex(asset.removeprefix(PREFIX)[2:]), BALANCE_OF),)


def claim_of(rows: Sequence[LedgerRow], locked_by: str, id_type: str, lookups: Sequence[str]) -> tuple[Claim, list[Item]]:
    """The claim, and what is to be done for it: touches, and the failures of rows for which nothing can be read."""
    held: dict[Key, tuple[Held, ...]] = {}
    items: dict[Key, Item] = {}
    for row in rows:
        try:
            key, own = _key_of(row, lookups), Held(row.id, row.wallet_id, row.asset_id, decimals_of(row))
            items.setdefault(key, Touch(*key, live=False))
        except RowError as error:
            key, own = (UNREAD, row.id.encode()), Held(row.id, row.wallet_id, row.asset_id)
            items[key] = Failed(Touch(*key, live=False), str(error), 0)
        held[key] = (*held.get(key, ()), own)
    return Claim(locked_by, id_type, held), list(items.values())


def _key_of(row: LedgerRow, lookups: Sequence[str]) -> Key:
    asset = NATIVE if row.native else PREFIX + "0x" + _contract(row).hex()
    return asset, wallet_of(row, lookups)


def _contract(row: LedgerRow) -> bytes:
    if not row.contract:
        raise RowError("the asset has no contract_address, and is not native")
    found = _parsed(row.contract)
    if found is None:
        raise RowError(f"the asset's contract_address is malformed: {_shown(row.contract)}")
    return found


def decimals_of(row: LedgerRow) -> int:
    """By how many places the point is shifted. Raises RowError."""
    if row.decimals is None:
        raise RowError("the asset has no decimals")
    decimals = int(row.decimals) if row.decimals.isdecimal() and len(row.decimals) < SHOWN else -1
    if not 0 <= decimals <= MOST_DECIMALS:
        raise RowError(f"the asset has {row.decimals[:SHOWN]} decimals, 0 to {MOST_DECIMALS} were expected")
    return decimals


def wallet_of(row: LedgerRow, lookups: Sequence[str]) -> bytes:
    """The first address that can be used. Raises RowError: what is wrong with the first that was found, or that none was."""
    first: str | None = None
    for address in row.addresses:
        wallet, problem = _usable(address)
        if wallet is not None:
            return wallet
        first = first or problem
    raise RowError(first or f"no address: {row.wallet_id} is not in {', '.join(lookups)}")


def _usable(address: Address) -> tuple[bytes | None, str | None]:
    if not address.text:
        return None, f"no address in {address.lookup}"
    if not address.same_chain:
        return None, f"the address in {address.lookup} is on another chain than the asset"
    if not address.active:
        return None, f"the address in {address.lookup} is inactive"
    wallet = _parsed(address.text)
    return wallet, f"the address in {address.lookup} is malformed: {_shown(address.text)}"


def _parsed(text: str) -> bytes | None:
    found = bytes.fromhex(text[2:]) if ADDRESS.fullmatch(text) else b""
    return found if any(found) else None


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def human(raw: int, decimals: int) -> str:
    """The balance with its point shifted, digit for digit: division, or a float, would lose some of 78."""
    digits = str(raw).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits
