"""The calls for one block's wallets: as many of them as a call holds, and halves of what is too large, down to a wallet that cannot be read.

How much a call holds is found here anew: a wallet that only old blocks make fail is no limit of the sweep's.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from actors.errors import Permanent, TooLarge
from actors.evm.block import Pin
from actors.evm.endpoint import Endpoint
from actors.evm.size import CallSize
from actors.ports import ChainPorts

MOST_UNREADABLE = 16  # wallets of one block: where more are, it is the node that gives too little
Sums = dict[str, int | None]


class Calls:
    """One asset's."""

    def __init__(self, ports: ChainPorts, asset: str) -> None:
        self._ports, self._asset = ports, asset
        self._sizes: dict[tuple[str, str], CallSize] = {}

    async def sums(self, endpoint: Endpoint, pin: Pin, wallets: Sequence[str], rung: str | None) -> Sums:
        """Each wallet's at the pin, by that rung or the best; None where it has none. Raises NodeError, also TooLarge where hardly any
        wallet can be read.
        """
        found: Sums = {}
        size, at, unreadable = self._size(endpoint, rung), 0, 0
        while at < len(wallets):
            whole = wallets[at : at + size.current]
            waiting, at = [whole], at + len(whole)
            while waiting:
                part = waiting.pop()
                sums = await self._one(endpoint, pin, part, rung)
                if sums is not None:
                    found |= sums
                elif len(part) > 1:
                    if part is whole:  # its parts are refused for the same wallet's sake
                        size.refused(len(part))
                    middle = len(part) // 2
                    waiting += [part[middle:], part[:middle]]
                else:
                    unreadable += 1
                    if unreadable > MOST_UNREADABLE or await self._one(endpoint, pin, [], rung) is None:
                        raise TooLarge(f"reads hardly any wallet of block {pin.number}")
                    found |= dict.fromkeys(part)
        return found

    def _size(self, endpoint: Endpoint, rung: str | None) -> CallSize:
        used = self._ports.reader.rung(endpoint, rung)
        most = min(self._ports.config.holders_per_call, used.most)
        size = self._sizes.setdefault((endpoint.url, used.name), CallSize(most))
        size.at_most(most)
        return size

    async def _one(self, endpoint: Endpoint, pin: Pin, wallets: Sequence[str], rung: str | None) -> Sums | None:
        """One call's; None where it was too large. Raises another NodeError."""
        sources, began, size = self._ports.sources_of(self._asset), trio.current_time(), self._size(endpoint, rung)
        plan = [(sources, bytes.fromhex(wallet[2:])) for wallet in wallets]
        try:
            answer = await self._ports.reader.read(endpoint, pin, plan, wide=True, rung=rung)
        except TooLarge:
            return None
        except Permanent:
            # A rung of an archive may have stopped working, and nobody else finds out. What another endpoint refuses of an old block says
            # nothing of the blocks that it is asked for otherwise: probed again, it would cost the next live batch ten requests.
            endpoint.probed = endpoint.probed and endpoint not in self._ports.archives
            raise
        size.accepted(len(wallets), trio.current_time() - began, answer.gas)
        return {wallet: value if isinstance(value, int) else None for wallet, value in zip(wallets, answer.values, strict=True)}
