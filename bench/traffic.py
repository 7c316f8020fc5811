"""Transfers on the private chain, and what the balances are after them.

In each block there are a few *markers*: fresh wallets that get one unit and are never touched again, spread over the block's transfers. The
transaction that wrote a marker's row therefore wrote it for that block, and Postgres knows when it was committed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence

import psycopg

from actors.sandbox.anvil import Anvil
from actors.sandbox.town import arg, array, selector
from bench.holders import truth, wallets
from bench.state import TOKEN

HOLDERS = 2_000
MARKERS = 10
PER_TRANSACTION = 400  # a transaction may use 2**24 gas
SEED = 7


class Traffic:
    """Moves one unit at a time between random holders."""

    def __init__(self, anvil: Anvil, holders: int = HOLDERS) -> None:
        self._anvil, self._random = anvil, random.Random(SEED)
        self._sender = anvil.rpc("eth_accounts")[0]
        self._holders = wallets(holders)
        self._sums = dict(zip(self._holders, truth(self._holders), strict=True))
        self.touched: set[bytes] = set()

    def queue(self, transfers: int, markers: int = MARKERS) -> list[bytes]:
        """Send what makes so many transfers in the next block; its markers."""
        fresh = [self._random.randbytes(20) for _ in range(markers)]
        sources = self._random.choices(self._holders, k=transfers)
        targets = self._random.choices(self._holders, k=transfers)
        for at, marker in enumerate(fresh):
            targets[at * transfers // markers] = marker
        for at in range(0, transfers, PER_TRANSACTION):
            self._send(sources[at : at + PER_TRANSACTION], targets[at : at + PER_TRANSACTION])
        for source, target in zip(sources, targets, strict=True):
            self._sums[source] -= 1
            self._sums[target] = self._sums.get(target, 0) + 1
        self.touched.update(sources, targets)
        return fresh

    def _send(self, sources: Sequence[bytes], targets: Sequence[bytes]) -> None:
        after = 96 + 32 + 32 * len(sources)
        data = selector("moveMany(address[],address[],uint256)") + arg(96) + arg(after) + arg(1) + array(sources) + array(targets)
        gas = hex(min(2**24, 100_000 + 40_000 * len(sources)))
        self._anvil.rpc("eth_sendTransaction", {"from": self._sender, "to": TOKEN, "data": "0x" + data, "gas": gas})

    def mine(self) -> float:
        """One block now. When (seconds of the epoch) it was there."""
        self._anvil.rpc("evm_mine")
        return time.time()

    def block(self) -> int:
        """The newest block's number."""
        return int(self._anvil.rpc("eth_blockNumber"), 16)

    def store_truth(self, url: str) -> None:
        """The table `truth`, of all wallets that were touched so far."""
        with psycopg.connect(url) as conn:
            conn.execute("drop table if exists truth")
            conn.execute("create table truth (ordinal bigint, wallet text primary key, balance numeric)")
            with conn.cursor().copy("copy truth from stdin") as copy:
                for at, wallet in enumerate(sorted(self.touched)):
                    copy.write_row((at, "0x" + wallet.hex(), self._sums[wallet]))
