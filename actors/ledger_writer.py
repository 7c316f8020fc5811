"""The writer's part for ledger rows: what was found out about a claim's rows is written, and frees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import psycopg

from actors.batch import key_of
from actors.claim import LABEL, Claim, human, is_ledger
from actors.errand import Errand, ErrandBook
from actors.log import get_logger
from actors.messages import Failed, Outcome, Reading, Release, Settle
from actors.metrics import Metrics
from actors.ports import Store, clock
from actors.store.ledger_write import Balance, Fault, fail, free, put_aside, write
from actors.unwritable import by_halves

log = get_logger("writer")


def of_ledger(outcome: Outcome) -> bool:
    """Whether it is about ledger rows."""
    return isinstance(outcome, Release) or (not isinstance(outcome, Settle) and is_ledger(outcome.touch.asset))


@dataclass
class Results:
    """What is to be written of some outcomes."""

    id_type: str = "uuid"
    balances: list[Balance] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def add(self, claim: Claim, outcome: Reading | Failed) -> None:
        """Each row that is held for what was read."""
        self.id_type = claim.id_type
        for held in claim.rows.get(key_of(outcome.touch), ()):
            if isinstance(outcome, Failed):
                self.faults.append(Fault(held.id, claim.locked_by, outcome.error))
            else:
                text = human(outcome.balance, held.decimals)
                named = held.wallet_id, held.asset_id
                self.balances.append(Balance(held.id, claim.locked_by, *named, str(outcome.balance), text, outcome.read_at))


class LedgerWriter:
    """Writes outcomes, and ends the claims that end by them."""

    def __init__(self, book: ErrandBook, metrics: Metrics) -> None:
        self._book, self._metrics = book, metrics

    async def commit(self, store: Store, outcomes: Sequence[Outcome]) -> None:
        """Write them. What comes after its claim has ended was written before, or is another's to write."""
        found = [outcome for outcome in outcomes if isinstance(outcome, Reading | Failed)]
        results = Results()
        for outcome in found:
            for number in outcome.touch.errands:
                if (claim := self._book.claim_of(number)) is not None:
                    results.add(claim, outcome)
        written = await self._write(store, results.id_type, results.balances) if results.balances else set()
        if results.faults:
            await self._fail(store, results.id_type, results.faults)
        self._settle(found, written)
        given_up = {outcome.errand for outcome in outcomes if isinstance(outcome, Release)}
        await self._free(store, [errand for errand in self._book.claims() if errand.id in given_up])

    def _settle(self, outcomes: Sequence[Reading | Failed], written: set[str]) -> None:
        """After the commit, without an await."""
        for outcome in outcomes:
            key = key_of(outcome.touch)
            for number in outcome.touch.errands:
                claim = self._book.claim_of(number)
                if claim is not None:
                    self._book.finish(number, key, sum(held.id in written for held in claim.rows.get(key, ())))
        self._metrics.rows_written.labels(LABEL).inc(len(written))

    async def _write(self, store: Store, id_type: str, balances: Sequence[Balance]) -> set[str]:
        """A value that one row's column cannot hold is that row's error."""

        async def alone(only: Balance, error: psycopg.Error) -> set[str]:
            await self._fail(store, id_type, [Fault(only.id, only.locked_by, f"cannot be written: {_said(error)}")])
            return set()

        parts = await by_halves(balances, lambda some: store.patiently(write, id_type, some, clock()), alone)
        return set().union(*parts)

    async def _fail(self, store: Store, id_type: str, faults: Sequence[Fault]) -> None:
        async def alone(only: Fault, error: psycopg.Error) -> None:  # not even its error can be written
            log.error("ledger row cannot be written", id=only.id, reason=_said(error))
            await store.patiently(put_aside, only.id, f"cannot be written: {_said(error)}")
            await self._let_go(store, id_type, [(only.id, only.locked_by)])

        await by_halves(faults, lambda some: store.patiently(fail, id_type, some), alone)

    async def free_all(self, store: Store) -> None:
        """Free what is left of all claims: the end of a clean stop."""
        await self._free(store, self._book.claims())

    async def _free(self, store: Store, errands: Sequence[Errand]) -> None:
        for errand in errands:
            claim = errand.claim
            assert claim is not None  # they were chosen by it
            left = [(held.id, claim.locked_by) for key in errand.pending for held in claim.rows.get(key, ())]
            await self._let_go(store, claim.id_type, left)
            self._book.drop(errand.id)

    async def _let_go(self, store: Store, id_type: str, held: Sequence[tuple[str, str]]) -> None:
        """Free rows; one that takes no update at all stays locked until its lease ends."""

        async def alone(only: tuple[str, str], error: psycopg.Error) -> int:
            log.error("ledger row cannot be freed", id=only[0], reason=_said(error))
            return 0

        await by_halves(held, lambda some: store.patiently(free, id_type, some), alone)


def _said(error: psycopg.Error) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
