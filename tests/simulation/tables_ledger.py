"""The double's version of the ledger: each does to the contents what its namesake in `actors/store` does to Postgres."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from actors.claim import Address, LedgerRow
from actors.store.ledger import PART_OF_A_CLAIM, ChainRow, Lookup, Tables
from actors.store.ledger_write import Balance, Fault
from tests.simulation.tables_contents import Aside, Contents, Entry

BALANCES, LOOKUP = "wallet_balances", "user_wallet_addresses"


def tables(c: Contents, address_from: Sequence[str]) -> Tables:
    """As `ledger.tables`, over the seed's."""
    return Tables("uuid", tuple(Lookup(name, False, True, True) for name in address_from))


def chains(c: Contents) -> list[ChainRow]:
    """As `ledger.chains`."""
    return [ChainRow(number, name, url, c.learned.get(number)) for number, (name, url) in sorted(c.ledger_chains.items())]


def learn(c: Contents, chain: str, chain_id: int) -> int:
    """As `ledger.learn`."""
    if chain not in c.learned:
        c.learned[chain] = chain_id
    return c.learned[chain]


def _free_of(c: Contents, chain: str) -> list[str]:
    found = []
    for number, row in c.ledger.items():
        asset = c.ledger_assets[row.asset]
        held = row.locked_until is not None and row.locked_until > c.now()
        if asset.chain == chain and asset.active and chain in c.ledger_chains and not held:
            found.append(number)
    return found


def claim(c: Contents, own: Tables, chain: str, locked_by: str, lease_secs: float, limit: int) -> list[LedgerRow]:
    """As `ledger.claim`; among rows of one age the lowest ids come first, where Postgres may take any."""
    free, until = _free_of(c, chain), c.now() + timedelta(seconds=lease_secs)
    aside = {number: row.next_attempt for number in free if (row := c.aside.get((BALANCES, number.encode()))) is not None}
    due = sorted((at, number) for number, at in aside.items() if at <= c.now())[: max(1, limit // PART_OF_A_CLAIM)]
    oldest = sorted((number for number in free if number not in aside), key=lambda number: _age(c, number))[: limit - len(due)]
    taken = sorted([number for _, number in due] + oldest, key=lambda number: _age(c, number))
    for number in taken:
        c.ledger[number] = c.ledger[number]._replace(locked_by=locked_by, locked_until=until, status="processing")
    return [_row(c, number) for number in taken]


def _age(c: Contents, number: str) -> tuple[bool, datetime, str]:
    checked = c.ledger[number].last_checked
    return checked is not None, checked or c.now(), number


def _row(c: Contents, number: str) -> LedgerRow:
    row = c.ledger[number]
    asset = c.ledger_assets[row.asset]
    addresses = () if row.address is None else (Address(LOOKUP, *row.address),)
    decimals = None if asset.decimals is None else str(asset.decimals)
    return LedgerRow(number, row.wallet_id, row.asset, addresses, asset.contract, decimals, asset.contract is None)


def renew(c: Contents, id_type: str, ids: Sequence[str], locked_by: str, lease_secs: float) -> int:
    """As `ledger.renew`."""
    own = [number for number in ids if c.ledger[number].locked_by == locked_by]
    for number in own:
        c.ledger[number] = c.ledger[number]._replace(locked_until=c.now() + timedelta(seconds=lease_secs))
    return len(own)


def _free(row: Entry) -> Entry:
    return row._replace(locked_by=None, locked_until=None, status="idle")


def write(c: Contents, id_type: str, balances: Sequence[Balance], clock: Callable[[], float]) -> set[str]:
    """As `ledger_write.write`."""
    written = set()
    for balance in balances:
        row = c.ledger[balance.id]
        if row.locked_by != balance.locked_by:
            continue
        asset = c.ledger_assets[row.asset]
        same = (row.wallet_id, row.asset) == (balance.wallet_id, balance.asset_id)
        if same and asset.active and asset.chain in c.ledger_chains:
            written.add(balance.id)
            checked = c.now() - timedelta(seconds=max(0.0, clock() - balance.read_at))
            row = row._replace(raw=balance.raw, human=balance.human, last_checked=checked, last_processed_at=c.now())
            row = row._replace(sync_count=row.sync_count + 1, last_error=None, last_error_at=None, error_count=0)
            if (BALANCES, balance.id.encode()) in c.aside:
                del c.aside[BALANCES, balance.id.encode()]
        c.ledger[balance.id] = _free(row)
    return written


def fail(c: Contents, id_type: str, faults: Sequence[Fault]) -> None:
    """As `ledger_write.fail`."""
    for fault in faults:
        row = c.ledger[fault.id]
        if row.locked_by == fault.locked_by:
            c.ledger[fault.id] = _free(row)._replace(last_error=fault.error, last_error_at=c.now(), error_count=row.error_count + 1)
            put_aside(c, fault.id, fault.error)


def put_aside(c: Contents, row: str, error: str) -> None:
    """As `ledger_write.put_aside`."""
    before = c.aside.get((BALANCES, row.encode()))
    attempts = 0 if before is None else before.attempts
    delay = min(timedelta(days=1), timedelta(seconds=10 * 2 ** min(attempts, 14)))
    c.aside[BALANCES, row.encode()] = Aside(None, error, attempts + 1, c.now() + delay)


def free(c: Contents, id_type: str, held: Sequence[tuple[str, str]]) -> int:
    """As `ledger_write.free`."""
    own = [number for number, by in held if c.ledger[number].locked_by == by]
    for number in own:
        c.ledger[number] = _free(c.ledger[number])
    return len(own)
