"""The holders of the private chain, and the truth about them: a wallet's balances follow from its own bytes.

So the state that is loaded into the node, the canned node's answers and the truth in Postgres come from one formula, and no table of
balances has to be carried around. `bench/canned/node.c` has the same formula.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

WALLET = 20
AT_ONCE = 50_000


def pages(count: int, seed: int = 1) -> Iterator[list[bytes]]:
    """`count` wallets of 20 random bytes, a page at a time; the first ones are the same whatever the count is."""
    source = random.Random(seed)
    for at in range(0, count, AT_ONCE):
        raw = source.randbytes(AT_ONCE * WALLET)
        yield [raw[i : i + WALLET] for i in range(0, min(AT_ONCE, count - at) * WALLET, WALLET)]


def wallets(count: int, seed: int = 1) -> list[bytes]:
    """All of `pages`."""
    return [wallet for page in pages(count, seed) for wallet in page]


def balances(wallet: bytes) -> tuple[int, int, int]:
    """What the token, the staking and the delegation contract say, in the token's smallest unit (10**-18)."""
    held, staked, delegated = wallet[:8], wallet[8:16], wallet[16:]
    return int.from_bytes(held, "big") * 10**6, int.from_bytes(staked, "big") * 10**4, int.from_bytes(delegated, "big")


def truth(some: Sequence[bytes]) -> list[int]:
    """Each wallet's sum."""
    return [sum(balances(wallet)) for wallet in some]
