"""The double's version of the writer's one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

import psycopg

from actors.config import AssetConfig
from actors.messages import Covered, Failed, Marks, Move, Raised, Reading, Touch, WriteBatch, WriteResult
from actors.store.set_aside import NO_ERROR_YET, plain
from tests.simulation.tables_contents import Aside, Contents, Row
from tests.simulation.tables_units import branch, load_many, prune, remember

O = TypeVar("O", Reading, Covered, Failed, Raised)  # noqa: E741  # an outcome
FIRST_DELAY, LONGEST_DELAY = timedelta(seconds=10), timedelta(days=1)


def write(c: Contents, batch: WriteBatch, assets: Mapping[str, AssetConfig], frees: bool = True) -> WriteResult:
    """As `write.write`. `frees`: a reading ends its wallet's being set aside."""
    return _Write(c, batch, assets).run(frees)


class _Write:
    def __init__(self, c: Contents, batch: WriteBatch, assets: Mapping[str, AssetConfig]) -> None:
        self._c, self._batch, self._assets = c, batch, assets
        self._now = c.now()
        self._refused: list[Touch] = []
        outcomes: list[Reading | Covered | Failed | Raised] = [*batch.readings, *batch.covered, *batch.failed, *batch.raised]
        chains = {self._asset(o).chain for o in outcomes} | {move.chain for move in batch.moves}
        self._branches = {chain: branch(c, chain) for chain in sorted(chains)}
        found = {name: self._marks_of(assets[name]) for name in {r.touch.asset for r in batch.readings}}
        self._marks: dict[str, Marks] = {name: marks for name, marks in found.items() if marks is not None}

    def _asset(self, outcome: Reading | Covered | Failed | Raised) -> AssetConfig:
        return self._assets[outcome.touch.asset]

    def _marks_of(self, asset: AssetConfig) -> Marks | None:
        """The asset's checkpoint; for one that has none, what all others of its chain have confirmed."""
        if (own := self._c.checkpoints.get(asset.checkpoint)) is not None:
            return own
        lowest = self._lowest(asset.chain)
        return None if lowest is None else Marks(lowest, lowest)

    def _lowest(self, chain: str) -> int | None:
        """How far all checkpoints of the chain are confirmed."""
        stored = [self._c.checkpoints.get(asset.checkpoint) for asset in self._assets.values() if asset.chain == chain]
        return min((m.last_block if m.confirmed is None else m.confirmed for m in stored if m is not None), default=None)

    def run(self, frees: bool) -> WriteResult:
        batch = self._batch
        readings = self._attested(self._current(batch.readings))
        covered, failed, raised = self._current(batch.covered), self._current(batch.failed), self._current(batch.raised)
        updated = frozenset((r.touch.asset, r.touch.wallet) for r in readings if self._store(r))
        self._cover(covered)
        for reading in readings:
            remember(self._c, self._asset(reading).chain, [(reading.block, reading.block_hash)])
        self._put_aside(failed)
        self._lower_unrepaired(failed)
        self._raise(raised)
        self._free(readings if frees else [])
        moved = self._move()
        waiting = self._waiting()
        dropped = tuple(move.errand for move in batch.moves if move.errand not in moved and move.errand not in waiting)
        closed = {name: marks.last_block for name, marks in self._marks.items()}
        return WriteResult(tuple(self._refused), self._branches, closed, moved, dropped, updated)

    def _current(self, outcomes: Iterable[O]) -> list[O]:
        kept: list[O] = []
        for outcome in outcomes:
            touch = outcome.touch
            if outcome.branch < self._branches[self._asset(outcome).chain]:
                self._refused.append(touch)
            elif touch.event_block is not None and touch.event_branch < self._branches[self._asset(outcome).chain]:
                kept.append(replace(outcome, touch=replace(touch, event_block=None)))
            else:
                kept.append(outcome)
        return kept

    def _attested(self, readings: Sequence[Reading]) -> list[Reading]:
        """The readings less those of a closed block that is not a remembered one."""
        kept: list[Reading] = []
        for reading in readings:
            marks = self._marks.get(reading.touch.asset)
            closed = marks is not None and marks.confirmed is not None and reading.block <= marks.last_block
            if closed and (reading.block, reading.block_hash) not in self._c.blocks(self._asset(reading).chain):
                self._refused.append(reading.touch)
            else:
                kept.append(reading)
        return kept

    def _store(self, reading: Reading) -> bool:
        """Write one reading; whether its value was stored."""
        asset, touch = self._asset(reading), reading.touch
        rows = self._c.rows(asset.table)
        row = rows.get(touch.wallet)
        if row is None and asset.track == "table":
            return False
        repair = touch.repair
        updates = row is not None and (repair is not None or asset.track == "table")
        moves = row is None or row.read_block is None or reading.block >= row.read_block
        if row is not None and repair is not None:
            moves = moves or (row.read_block, row.updated_at) == (repair.was_block, repair.was_updated_at)
        # An insert is refused for the value that it brings, even where the row that is there would have stayed.
        if (moves or not updates) and reading.balance > self._c.widths.get(asset.table, reading.balance):
            raise psycopg.errors.NumericValueOutOfRange("numeric field overflow")
        blocknumber = greatest(lowered(row.blocknumber if row else None, repair.fork if repair else None), touch.event_block)
        if row is None or moves:
            age = timedelta(seconds=max(0.0, self._batch.clock() - reading.read_at))
            rows[touch.wallet] = Row(reading.balance, blocknumber, reading.block, self._now - age)
        else:
            rows[touch.wallet] = row._replace(blocknumber=blocknumber)
        return moves

    def _cover(self, covered: Sequence[Covered]) -> None:
        """All touches of a wallet at once: the events count on top of the fork, in whatever order they came."""
        events: dict[tuple[str, bytes], int | None] = {}
        forks: dict[tuple[str, bytes], int] = {}
        for outcome in covered:
            touch, key = outcome.touch, (self._asset(outcome).table, outcome.touch.wallet)
            events[key] = greatest(events.get(key), touch.event_block)
            if touch.repair is not None:
                forks[key] = touch.repair.fork
        for key, event in events.items():
            rows, wallet = self._c.rows(key[0]), key[1]
            if row := rows.get(wallet):
                rows[wallet] = row._replace(blocknumber=greatest(lowered(row.blocknumber, forks.get(key)), event))

    def _put_aside(self, failed: Sequence[Failed]) -> None:
        now = self._now
        for outcome in failed:
            key, error = (self._asset(outcome).table, outcome.touch.wallet), plain(outcome.error)
            if (known := self._c.aside.get(key)) is None:
                self._c.aside[key] = Aside(outcome.touch.event_block, error, 1, now + FIRST_DELAY)
                continue
            known = known._replace(block=greatest(known.block, outcome.touch.event_block), error=error)
            if known.next_attempt <= now:
                delay = min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(known.attempts, 14))
                known = known._replace(attempts=known.attempts + 1, next_attempt=now + delay)
            self._c.aside[key] = known

    def _lower_unrepaired(self, failed: Sequence[Failed]) -> None:
        """Where a repair failed, any reading from the fork on may replace the orphaned value."""
        for outcome in failed:
            rows, wallet, repair = self._c.rows(self._asset(outcome).table), outcome.touch.wallet, outcome.touch.repair
            row = rows.get(wallet)
            if repair is None or row is None or (row.read_block, row.updated_at) != (repair.was_block, repair.was_updated_at):
                continue
            rows[wallet] = row._replace(read_block=min(repair.fork, repair.was_block))

    def _raise(self, raised: Sequence[Raised]) -> None:
        for outcome in raised:
            key, block = (self._asset(outcome).table, outcome.touch.wallet), outcome.touch.event_block
            known = self._c.aside.get(key)
            if known is None:
                self._c.aside[key] = Aside(block, NO_ERROR_YET, 0, self._now)
            else:
                self._c.aside[key] = known._replace(block=greatest(known.block, block))

    def _free(self, readings: Sequence[Reading]) -> None:
        for reading in readings:
            key = (self._asset(reading).table, reading.touch.wallet)
            known = self._c.aside.get(key)
            if known is not None and (known.block is None or known.block <= reading.block):
                del self._c.aside[key]
                rows = self._c.rows(key[0])
                if row := rows.get(key[1]):
                    rows[key[1]] = row._replace(blocknumber=greatest(row.blocknumber, known.block))

    def _waiting(self) -> set[int]:
        return {errand for touch in self._refused for errand in touch.errands}

    def _move(self) -> tuple[int, ...]:
        waiting = self._waiting()
        moves = sorted((move for move in self._batch.moves if move.errand not in waiting), key=lambda move: move.errand)
        stored = load_many(self._c, [move.name for move in moves])
        moved: list[Move] = []
        for at, move in enumerate(moves):
            if self._branches[move.chain] != move.branch:
                continue
            passed = any(later.name == move.name and stored.get(move.name) == later.target for later in moves[at + 1 :])
            if passed or self._step(move):
                moved.append(move)
        self._remember_closings(moved)
        return tuple(move.errand for move in moved)

    def _step(self, move: Move) -> bool:
        """Compare and set; already at its target counts as moved."""
        marks = self._c.checkpoints.get(move.name)
        if marks == move.expect:
            self._c.checkpoints[move.name] = move.target
        return marks in (move.expect, move.target)

    def _remember_closings(self, moved: Sequence[Move]) -> None:
        for move in moved:
            if move.block_hash is not None:
                remember(self._c, move.chain, [(move.target.last_block, move.block_hash)], move.expect.last_block)
        for chain in sorted({move.chain for move in moved if move.target.confirmed != move.expect.confirmed}):
            if (lowest := self._lowest(chain)) is not None:
                prune(self._c, chain, lowest)


def greatest(*values: int | None) -> int | None:
    """SQL's `greatest`: NULL counts for nothing."""
    return max((value for value in values if value is not None), default=None)


def lowered(blocknumber: int | None, fork: int | None) -> int | None:
    """A repair's first step: down to the fork, where it is above."""
    return fork if fork is not None and blocknumber is not None and fork < blocknumber else blocknumber
