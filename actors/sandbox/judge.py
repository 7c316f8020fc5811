"""What the demo's tables say, and whether the chain says the same, through plain `eth_call`s that share no code with the batcher."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from actors.sandbox.town import Town


@dataclass(frozen=True)
class Comparison:
    """So many rows at block `head`, so many of them touched by a log; one line a difference."""

    rows: int
    touched: int
    head: int
    differences: list[str]


def counts(database: str) -> tuple[int, int, int]:
    """How many rows there are, how many of them were read, and the newest event's block."""
    with psycopg.connect(database) as conn:
        row = conn.execute(
            "SELECT count(*), count(*) FILTER (WHERE updated_at > '1970-01-02'), coalesce(max(blocknumber), 0) FROM eth_wallet_balances"
        ).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def closed(database: str) -> int:
    """Up to which block every asset is closed."""
    with psycopg.connect(database) as conn:
        row = conn.execute("SELECT coalesce(min(last_block), 0) FROM eth_indexer_checkpoints").fetchone()
    assert row is not None
    return int(row[0])


def compare(database: str, town: Town) -> Comparison:
    """Every row against the chain, and every row's block against the logs."""
    head, touched = town.block(), town.last_events(town.started_at)
    with psycopg.connect(database) as conn:
        found = conn.execute("SELECT wallet, balance, blocknumber FROM eth_wallet_balances").fetchall()
    rows = {bytes.fromhex(wallet[2:]): (int(balance), block) for wallet, balance, block in found}
    truth = town.truths(list(rows), head)
    wrong = [
        f"0x{wallet.hex()}: the row says {balance}, the chain says {truth[wallet]}"
        for wallet, (balance, _) in rows.items()
        if balance != truth[wallet]
    ]
    for wallet, block in touched.items():
        if wallet not in rows:
            wrong.append(f"0x{wallet.hex()}: touched in block {block}, no row")
        elif rows[wallet][1] != block:
            wrong.append(f"0x{wallet.hex()}: last log in block {block}, the row says {rows[wallet][1]}")
    return Comparison(len(rows), len(touched), head, wrong)
