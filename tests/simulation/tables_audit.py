"""The double's units of the audit. Every row stands at some place of one page, and each draw finds all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actors.audit.verdict import Drift, Now, Selected
from actors.audit.verdict import Row as Checked
from actors.config import AssetConfig
from actors.store.audit import MENDED
from tests.simulation.tables_contents import Contents

ZERO = bytes(20)


def extent(c: Contents, asset: AssetConfig) -> tuple[int, int]:
    """As `audit.extent`."""
    return 1, 8192


def at_places(c: Contents, asset: AssetConfig, places: Sequence[tuple[int, int]]) -> Selected:
    """As `audit.at_places` of all of them."""
    return rows_of(c, asset, ["0x" + wallet.hex() for wallet in c.rows(asset.table) if wallet != ZERO])


def rows_of(c: Contents, asset: AssetConfig, wallets: Iterable[str]) -> Selected:
    """As `audit.rows_of`."""
    found = []
    for text in sorted(wallets):
        wallet = bytes.fromhex(text[2:])
        if (row := c.rows(asset.table).get(wallet)) is not None:
            at = row.updated_at.isoformat(sep=" ")
            found.append(Checked(text, str(row.balance), row.read_block, at, (asset.table, wallet) in c.aside))
    return Selected(found, c.chains.get(asset.chain, 0))


def look_again(c: Contents, asset: AssetConfig, wallets: Sequence[str], blocks: Iterable[int], checkpoints: Sequence[str]) -> Now:
    """As `audit.look_again`."""
    rows = {row.wallet: row for row in rows_of(c, asset, wallets).rows}
    known = {number: frozenset("0x" + value.hex() for at, value in c.blocks(asset.chain) if at == number) for number in set(blocks)}
    notes = {wallet: "set aside" if row.aside else "" for wallet, row in rows.items()}
    closed = [marks.last_block for name in checkpoints if (marks := c.checkpoints.get(name)) is not None]
    newest = max([0, *closed, *(at for at, _ in c.blocks(asset.chain))])
    return Now(rows, c.chains.get(asset.chain, 0), {number: hashes for number, hashes in known.items() if hashes}, notes, newest)


def record(c: Contents, asset: AssetConfig, drifts: Sequence[Drift]) -> None:
    """As `audit.record`."""
    for drift in drifts:
        c.audited[asset.table, drift.row.wallet, drift.row.read_block or 0, drift.row.updated_at] = None


def unmended(c: Contents, asset: AssetConfig) -> list[str]:
    """As `audit.unmended`."""
    return sorted({key[1] for key, outcome in c.audited.items() if key[0] == asset.table and outcome is None})


def conclude(c: Contents, asset: AssetConfig, outcomes: Sequence[tuple[str, str]]) -> int:
    """As `audit.conclude`."""
    found, said = [key for key, outcome in c.audited.items() if outcome is None and key[0] == asset.table], dict(outcomes)
    for key in found:
        if key[1] in said:
            c.audited[key] = said[key[1]]
    return sum(said.get(key[1]) == MENDED for key in found)
