"""The writer's one transaction: rows, remembered blocks, set-aside wallets and checkpoints, together or not
at all.

Locks are taken in one order by every writer: chains by name, assets by table, wallets, blocks, set-aside
rows, checkpoints by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from actors.config import AssetConfig
from actors.messages import Covered, Failed, Marks, Move, Raised, Reading, Touch, WriteBatch, WriteResult
from actors.store import chain, checkpoint, set_aside
from actors.store.marks import check_not_overtaken, is_closed, load_marks, until_not_overtaken
from actors.store.postgres import Conn
from actors.store.rows import lock, lower_unrepaired, write_covered, write_readings

O = TypeVar("O", Reading, Covered, Failed, Raised)  # noqa: E741  # an outcome


def write(conn: Conn, batch: WriteBatch, assets: Mapping[str, AssetConfig]) -> WriteResult:
    """Write a batch, less the outcomes of an older branch, and make the moves that still hold."""
    return until_not_overtaken(conn, lambda: _Write(conn, batch, assets).run())


class _Write:
    def __init__(self, conn: Conn, batch: WriteBatch, assets: Mapping[str, AssetConfig]) -> None:
        self._conn, self._batch, self._assets = conn, batch, assets
        self._branches: dict[str, int] = {}
        self._marks: dict[str, Marks] = {}
        self._refused: list[Touch] = []

    def run(self) -> WriteResult:
        batch = self._batch
        outcomes: list[Reading | Covered | Failed | Raised] = [
            *batch.readings,
            *batch.covered,
            *batch.failed,
            *batch.raised,
        ]
        chains = {self._assets[o.touch.asset].chain for o in outcomes} | {move.chain for move in batch.moves}
        self._branches = chain.share_branches(self._conn, chains)
        self._marks = load_marks(self._conn, {r.touch.asset for r in batch.readings}, self._assets)
        readings, covered = self._attested(self._current(batch.readings)), self._current(batch.covered)
        failed, raised = self._current(batch.failed), self._current(batch.raised)
        updated = self._write_rows(readings, covered, [f.touch for f in failed if f.touch.repair is not None])
        check_not_overtaken(self._conn, self._marks, self._assets)
        self._remember(readings)
        self._set_aside(readings, failed, raised)
        moved = self._move()
        waiting = self._waiting()
        dropped = tuple(move.errand for move in batch.moves if move.errand not in moved and move.errand not in waiting)
        closed = {name: mark.last_block for name, mark in self._marks.items()}
        return WriteResult(tuple(self._refused), self._branches, closed, moved, dropped, updated)

    def _current(self, outcomes: Iterable[O]) -> list[O]:
        """The outcomes that are not of an older branch than the chain is on; the others are refused. An event that was found on an older
        one may be orphaned: it is left out, and its closing, which is dropped, done again.
        """
        kept: list[O] = []
        for outcome in outcomes:
            touch, branch = outcome.touch, self._branches[self._assets[outcome.touch.asset].chain]
            if outcome.branch < branch:
                self._refused.append(touch)
            elif touch.event_block is not None and touch.event_branch < branch:
                kept.append(replace(outcome, touch=replace(touch, event_block=None)))
            else:
                kept.append(outcome)
        return kept

    def _attested(self, readings: Sequence[Reading]) -> list[Reading]:
        """The readings less those at or below the checkpoint whose block is not a remembered one."""
        closed = [r for r in readings if is_closed(self._marks.get(r.touch.asset), r.block)]
        unknown: set[tuple[str, int, bytes]] = set()
        for name in sorted({self._assets[r.touch.asset].chain for r in closed}):
            blocks = {(r.block, r.block_hash) for r in closed if self._assets[r.touch.asset].chain == name}
            unknown |= {(name, *block) for block in chain.unknown(self._conn, name, blocks)}
        refused = {id(r) for r in closed if (self._assets[r.touch.asset].chain, r.block, r.block_hash) in unknown}
        self._refused += [r.touch for r in readings if id(r) in refused]
        return [r for r in readings if id(r) not in refused]

    def _write_rows(
        self, readings: Sequence[Reading], covered: Sequence[Covered], unrepaired: Sequence[Touch]
    ) -> frozenset[tuple[str, bytes]]:
        updated: set[tuple[str, bytes]] = set()
        names = {r.touch.asset for r in readings} | {c.touch.asset for c in covered} | {touch.asset for touch in unrepaired}
        for name in sorted(names, key=lambda name: self._assets[name].table):
            asset = self._assets[name]
            own, moved = [r for r in readings if r.touch.asset == name], [c for c in covered if c.touch.asset == name]
            failed = [touch for touch in unrepaired if touch.asset == name]
            if moved or failed:  # several statements: all their rows in one order first
                touches = [*(r.touch for r in own), *(c.touch for c in moved), *failed]
                lock(self._conn, asset, [touch.wallet for touch in touches])
            if own:
                updated |= {(name, wallet) for wallet in write_readings(self._conn, asset, own, self._batch.clock)}
            write_covered(self._conn, asset, moved)
            lower_unrepaired(self._conn, asset, failed)
        return frozenset(updated)

    def _remember(self, readings: Sequence[Reading]) -> None:
        """The blocks of readings above the asset's checkpoint: what a reorg would show in, wherever the
        checkpoint stands. One at or below it is remembered already.
        """
        found: dict[str, set[chain.Block]] = {}
        for reading in readings:
            found.setdefault(self._assets[reading.touch.asset].chain, set()).add((reading.block, reading.block_hash))
        for name in sorted(found):
            chain.remember(self._conn, name, found[name])

    def _set_aside(self, readings: Sequence[Reading], failed: Sequence[Failed], raised: Sequence[Raised]) -> None:
        """Failures first: a reading of this very batch may free the wallet again."""
        set_aside.put(self._conn, failed, self._assets)
        set_aside.raise_block(self._conn, raised, self._assets)
        if readings:
            read = [(self._assets[r.touch.asset].table, r.touch.wallet, r.block) for r in readings]
            self._cover_freed(set_aside.clear(self._conn, read))

    def _cover_freed(self, freed: Sequence[set_aside.Due]) -> None:
        """What was touched while it was set aside has its event's block in that table only."""
        by_table = {asset.table: name for name, asset in self._assets.items()}
        for name in sorted({by_table[one.table] for one in freed}):
            touches = [Touch(name, one.wallet, event_block=one.block) for one in freed if by_table[one.table] == name]
            write_covered(self._conn, self._assets[name], [Covered(touch, 0) for touch in touches])

    def _waiting(self) -> set[int]:
        """The errands that a refused touch keeps open: their moves come with the reading that is not refused."""
        return {errand for touch in self._refused for errand in touch.errands}

    def _move(self) -> tuple[int, ...]:
        """Make the moves in the order of their errands; by errand, those that were made."""
        waiting = self._waiting()
        moves = sorted((move for move in self._batch.moves if move.errand not in waiting), key=lambda move: move.errand)
        if not moves:
            return ()
        stored = checkpoint.lock(self._conn, sorted({move.name for move in moves}))
        moved: list[Move] = []
        for at, move in enumerate(moves):
            if self._branches[move.chain] != move.branch:
                continue
            # A redelivered batch finds the checkpoint at its last target: the moves on the way there were
            # made as well.
            passed = any(m.name == move.name and stored.get(m.name) == m.target for m in moves[at + 1 :])
            if passed or checkpoint.move(self._conn, move.name, move.expect, move.target):
                moved.append(move)
        self._remember_closings(moved)
        return tuple(move.errand for move in moved)

    def _remember_closings(self, moved: Sequence[Move]) -> None:
        """And forget the blocks that nobody needs any more, where `confirmed` has moved: what is above it is needed."""
        for name in sorted({move.chain for move in moved}):
            own = [move for move in moved if move.chain == name]
            for move in own:
                if move.block_hash is not None:
                    chain.remember(self._conn, name, [(move.target.last_block, move.block_hash)], since=move.expect.last_block)
            if any(move.target.confirmed != move.expect.confirmed for move in own):
                self._prune(name)

    def _prune(self, name: str) -> None:
        keys = {asset.checkpoint for asset in self._assets.values() if asset.chain == name}
        marks = checkpoint.load_many(self._conn, sorted(keys)).values()
        if marks:
            chain.prune(self._conn, name, min(m.last_block if m.confirmed is None else m.confirmed for m in marks))
