"""Reading ahead: while Postgres says how the rows of a block's wallets stand, the node sums the wallets up already. No waiting here.

A closing by a pushed head says what it will most likely want; the batcher asks for it as its next call, and a batch of those wallets takes
what came of that, an answer or a fault, in the place of a first call of its own. So it costs no call more, unless few of the wallets have
rows to be read: where most had none the last time, nothing is read ahead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import trio

from actors.batch import Batch
from actors.errors import NodeError
from actors.evm.block import Header, Pin
from actors.evm.endpoint import Endpoint
from actors.evm.rung import Answer
from actors.outcomes import Asked

FRESH_FAULT_SECS = 2.0


@dataclass(eq=False)
class Ahead:
    """One reading ahead of an asset's wallets, each in its place, at a pushed head. `over`: it has an answer or an error, or was given up."""

    asset: str
    head: Header
    branch: int
    places: Mapping[bytes, int]
    endpoint: Endpoint | None = None
    asked: Asked | None = None
    answer: Answer | None = None
    error: NodeError | None = None
    over: trio.Event = field(default_factory=trio.Event)

    @property
    def pin(self) -> Pin:
        """The block that it is read at."""
        return Pin(self.head.number, self.head.hash, self.head)

    def stands(self, closed: Header | None) -> bool:
        """Whether its block is not known to be another than was closed."""
        return closed is None or closed.number != self.head.number or closed.hash == self.head.hash

    def serves(self, batch: Batch, closed: int) -> bool:
        """Whether it is asked for that batch, which has not failed before; `closed`: the newest block that its asset has closed."""
        if batch.page is not None or not batch.live or batch.failures or batch.wide or batch.assets != {self.asset}:
            return False
        return closed <= self.head.number and all(
            touch.wallet in self.places
            and touch.need <= self.head.number
            and touch.block_hash in (None, self.head.hash)
            and not touch.suspect
            for touch in batch.touches
        )

    def tells(self, batch: Batch, now: float) -> bool:
        """Whether what came is of use to a batch that it serves, at the monotonic time `now`.

        A fault is, if it is of the very question that the batch would ask now. Of a wallet that is asked for alone it is not: a node that was
        behind the pushed head, and has caught up since, would have the wallet set aside; and a failure is not, since alone it is explained.
        """
        same = len(batch.touches) == len(self.places)
        if self.error is not None:
            return same and len(batch.touches) > 1 and self.asked is not None and now - self.asked.at <= FRESH_FAULT_SECS
        if self.answer is None:
            return False
        return same or len(batch.touches) > 1 or isinstance(self.answer.values[self.places[batch.touches[0].wallet]], int)

    async def answered(self, batch: Batch) -> Answer:
        """What there is of the batch's wallets. Raises the NodeError that came instead."""
        if self.error is not None:
            raise self.error
        assert self.answer is not None
        return replace(self.answer, values=[self.answer.values[self.places[touch.wallet]] for touch in batch.touches])


class Aheads:
    """One chain's: at most one of each asset, for as long as its closing goes on."""

    def __init__(self) -> None:
        self._of: dict[str, Ahead] = {}
        self._unasked: list[Ahead] = []

    def want(self, asset: str, head: Header, branch: int, wallets: Iterable[bytes]) -> None:
        """These wallets will most likely be wanted, until they are forgotten."""
        self.forget(asset)
        self._of[asset] = ahead = Ahead(asset, head, branch, {wallet: place for place, wallet in enumerate(wallets)})
        self._unasked.append(ahead)

    def next(self) -> Ahead | None:
        """What is to be asked for now."""
        return self._unasked.pop() if self._unasked else None

    def give_up(self) -> None:
        """What nobody has asked for yet is not asked for."""
        for ahead in self._unasked:
            self._of.pop(ahead.asset, None)
        self._unasked.clear()

    def take(self, batch: Batch, closed: int) -> Ahead | None:
        """Whose answer the batch may take, once."""
        for ahead in self._of.values():
            if ahead not in self._unasked and ahead.serves(batch, closed):
                return self._of.pop(ahead.asset)
        return None

    def forget(self, asset: str) -> None:
        """The closing is over."""
        if (ahead := self._of.pop(asset, None)) is not None and ahead in self._unasked:
            self._unasked.remove(ahead)
