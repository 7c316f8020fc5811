"""The double's version of the ledger: each does to the contents what its namesake in `actors/store` does to Postgres."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from actors.claim import Address, LedgerRow
from actors.store.ledger import ChainRow, Lookup, Tables
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


def _is_free(c: Contents, number: str, chain: str) -> bool:
    row = c.ledger[number]
    asset, aside = c.ledger_assets[row.asset], c.aside.get((BALANCES, number.encode()))
    held = row.locked_until is not None and row.locked_until > c.now()
    return asset.chain == chain and asset.active and chain in c.ledger_chains and not held and (aside is None or aside.next_attempt <= c.now())


def claim(c: Contents, own: Tables, chain: str, locked_by: str, lease_secs: float, limit: int) -> list[LedgerRow]:
    """As `ledger.claim`; among rows of one age the lowest ids come first, where Postgres may take any."""
    free = [number for number in c.ledger if _is_free(c, number, chain)]
    free.sort(key=lambda number: ((at := c.ledger[number].last_checked) is not None, at or c.now(), number))
    until = c.now() + timedelta(seconds=lease_secs)
    for number in free[:limit]:
        c.ledger[number] = c.ledger[number]._replace(locked_by=locked_by, locked_until=until, status="processing")
    return [_row(c, number) for number in free[:limit]]


def _row(c: Contents, number: str) -> LedgerRow:
    row = c.ledger[number]
    asset = c.ledger_assets[row.asset]
    addresses = () if row.address is None else (Address(LOOKUP, *row.address),)
    return LedgerRow(number, number, addresses, asset.contract, asset.decimals, asset.contract is None)


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
        if asset.active and asset.chain in c.ledger_chains:
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
