"""The judge: knows the simulated chain's truth, and looks at every transaction for what must hold at every step.

It shares nothing with the program but the messages that it reads.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import trio

from actors.audit.verdict import Drift
from actors.messages import Move, Reading, WriteBatch, WriteResult
from actors.store.ledger_write import Balance
from tests.simulation.chain import NATIVE, Block, Chain, failing_source, sum_of
from tests.simulation.faults import Withheld
from tests.simulation.tables import Tables
from tests.simulation.tables_contents import Entry

TABLE, CHECKPOINT = "eth_wallet_balances", "sim_transfers"


class Judge:
    """One history's. It is an observer of the tables: `writes` before a transaction, `wrote` and `reorged` after it."""

    def __init__(self, chain: Chain, tables: Tables, withheld: Withheld) -> None:
        self._chain, self._tables, self._withheld = chain, tables, withheld
        self._before: dict[bytes, int | None] = {}
        self.broken: str | None = None
        self.tracks_all = True
        self.forked = False
        self._reorged_at = float("-inf")
        self._to_repair: set[bytes] = set()
        self._forks: set[int] = set()
        self.ever_failed: set[bytes] = set()
        self.exact_events = True  # no node ever spoke of a branch of its own
        self.first: int | None = None
        self.reorgs = self.moves = self.readings = 0
        self._said: dict[object, tuple[set[str | None], list[int]]] = {}
        self.lowest_fork: int | None = None

    def created(self, number: int) -> None:
        """The first checkpoint was stored."""
        self.first = number if self.first is None else self.first

    def writes(self, batch: WriteBatch) -> None:
        """A transaction is about to be made."""
        self._before = {r.touch.wallet: self._read_block(r.touch.wallet) for r in batch.readings}

    def wrote(self, batch: WriteBatch, result: WriteResult) -> None:
        """A transaction was committed."""
        for reading in batch.readings:
            if (reading.touch.asset, reading.touch.wallet) in result.updated:
                self._check_reading(reading)
            self._check_order(reading)
            if reading.touch not in result.refused:
                self._check_event(reading)
        self._to_repair -= {wallet for _, wallet in result.updated}
        self._to_repair -= {failed.touch.wallet for failed in batch.failed if failed.touch not in result.refused}
        for failed in batch.failed:
            # Over a node that breaks down time and again a wallet may seem to be at fault; what a contract says is no such thing.
            by_contract = failed.error.startswith("source ")
            if by_contract and failed.touch not in result.refused and failed.touch.wallet not in self.ever_failed:
                self._fail(f"set aside, although it never failed: {failed}")
        moved = sorted((move for move in batch.moves if move.errand in result.moved), key=lambda move: move.errand)
        if moved and self.exact_events and self._to_repair:
            self._fail(f"a closing ended before the repairs of {len(self._to_repair)} rows")
        for move in moved:
            self.moves += 1
            if move.name == CHECKPOINT and self._tables.checkpoints.get(CHECKPOINT) == move.target:
                self._check_checkpoint(move)
            elif move.name == CHECKPOINT and move is moved[-1]:
                self._fail(f"the checkpoint is at {self._tables.checkpoints.get(CHECKPOINT)}, its closing ended at {move.target}")

    def reorged(self, chain: str, fork: int, branch: int) -> None:
        """The chain went over to another branch, as far as the program can tell."""
        self.reorgs += 1
        self._reorged_at = trio.current_time()
        above = (wallet for wallet, row in self._tables.rows(TABLE).items() if row.read_block is not None and row.read_block > fork)
        self._to_repair.update(above)
        if self.exact_events and not self.forked:
            self._fail(f"a reorg to block {fork} on a chain that never forked")
        self._forks.add(fork)
        self.lowest_fork = fork if self.lowest_fork is None else min(fork, self.lowest_fork)

    def _fail(self, what: str) -> None:
        """A promise does not hold. It is noted, since the program would only take an exception for a crash."""
        self.broken = self.broken or what

    def _tracks(self, wallet: bytes) -> bool:
        return self.tracks_all or wallet in self._tables.rows(TABLE)

    def _read_block(self, wallet: bytes) -> int | None:
        row = self._tables.rows(TABLE).get(wallet)
        return None if row is None else row.read_block

    def _check_reading(self, reading: Reading) -> None:
        """What was stored is the sum of all sources at the block that is named, and that block is not before the event's."""
        self.readings += 1
        wallet, block = reading.touch.wallet, self._chain.by_hash.get(reading.block_hash)
        if block is None or block.number != reading.block:
            return self._fail(f"the block of a reading does not exist: {reading}")
        truth = sum_of(block, wallet)
        if truth != reading.balance:
            return self._fail(f"no partial sums, nothing stale: stored {reading.balance}, {block!r} says {truth}: {reading}")
        if reading.read_at < self._reorged_at:
            return self._fail(f"read before the reorg and written after it: {reading}")
        if reading.block < reading.touch.need:
            return self._fail(f"nothing stale: read at {reading.block} for an event of {reading.touch.need}: {reading}")

    def _check_order(self, reading: Reading) -> None:
        """A row's `read_block` never goes back, but by a repair."""
        before, now = self._before[reading.touch.wallet], self._read_block(reading.touch.wallet)
        if before is not None and (now is None or now < before) and reading.touch.repair is None:
            return self._fail(f"read_block went back from {before} to {now}: {reading}")

    def _check_event(self, reading: Reading) -> None:
        """An event's block is in its row, whether or not the reading was newer than the row's value."""
        event, row = reading.touch.event_block, self._tables.rows(TABLE).get(reading.touch.wallet)
        if reading.touch.event_branch < max(self._tables.chains.values()):
            return  # it may be orphaned
        if event is not None and row is not None and (row.blocknumber or -1) < event:
            self._fail(f"blocknumber {row.blocknumber} after an event of {event}: {reading}")

    def _check_checkpoint(self, move: Move) -> None:
        """Every log up to the checkpoint is in its wallet's row, or with its set-aside wallet.

        A log that an answer kept back is only promised to be found when it is asked for a second time, which is what `confirmed` says.
        """
        if move.block_hash is None or self.first is None:
            return
        target = self._chain.by_hash[move.block_hash]
        if not self._chain.head.holds(target):
            return  # of a branch that is none any more: a reorg will take it back
        self._check_finished(target, spare_withheld=True)
        confirmed = move.target.confirmed
        if confirmed is not None and (twice := target.at(confirmed)) is not None:
            self._check_finished(twice, spare_withheld=False)

    def _check_finished(self, up_to: Block, spare_withheld: bool) -> None:
        first = self.first or 0
        kept_back = self._kept_back(up_to) if spare_withheld else set()
        for wallet, touched in up_to.last_touch.items():
            if touched <= first or wallet in kept_back or not self._tracks(wallet):
                continue
            if not self._is_finished(wallet, touched):
                return self._fail(f"the checkpoint at {up_to!r} passed an unfinished touch: {wallet.hex()} of block {touched}")

    def _is_finished(self, wallet: bytes, touched: int) -> bool:
        read, aside = self._read_block(wallet), self._tables.aside.get((TABLE, wallet))
        return (read is not None and read >= touched) or (aside is not None and (aside.block or 0) >= touched)

    def _kept_back(self, up_to: Block) -> set[bytes]:
        """The wallets whose newest log up to a block, or one of that block's, some answer kept back."""
        found: set[bytes] = set()
        for block_hash in self._withheld.excused():
            block = self._chain.by_hash[block_hash]
            if up_to.holds(block):
                found.update(block.touched)
        return found

    def is_true(self) -> bool:
        """Whether the checkpoint is at the head and every row is true."""
        marks = self._tables.checkpoints.get(CHECKPOINT)
        if marks is None or marks.last_block < self._chain.head.number or any(table == TABLE for table, _ in self._tables.aside):
            return False
        return self.falsehood() is None and self.ledger_falsehood() is None

    def synced(self, balances: Sequence[Balance], written: set[str]) -> None:
        """Ledger rows were written: each with a balance that some block says."""
        for balance in balances:
            if balance.id not in written:
                continue
            self.readings += 1
            entry = self._tables.ledger[balance.id]
            if balance.raw not in self._ever(entry):
                return self._fail(f"no block says {balance.raw} of {entry}")

    def alarmed(self, drifts: Sequence[Drift]) -> None:
        """The audit called rows wrong. No reading that was written was, so it may say so only of a row whose repair has failed, which is
        set aside.
        """
        for drift in drifts:
            if not drift.row.aside:
                self._fail(f"a false alarm of the audit: {drift.text()}")

    def _ever(self, entry: Entry) -> set[str | None]:
        """Whatever any block says of a ledger row; None where it cannot be read."""
        said, seen = self._said.setdefault((entry.asset, entry.address), (set(), [0]))
        for block in itertools.islice(self._chain.by_hash.values(), seen[0], None):
            said.add(self._ledger_truth(entry, block))
        seen[0] = len(self._chain.by_hash)
        return said

    def _ledger_truth(self, entry: Entry, block: Block) -> str | None:
        """What a ledger row should say as of a block; None where it cannot be read."""
        contract = self._tables.ledger_assets[entry.asset].contract
        if entry.address is None or not all(entry.address[1:]):
            return None
        wallet = bytes.fromhex(entry.address[0][2:])
        if contract is None:
            return str(block.balance(NATIVE, wallet))
        fails = wallet in block.failing and failing_source(wallet) == bytes.fromhex(contract[2:])
        return None if fails else str(block.balance(bytes.fromhex(contract[2:]), wallet))

    def ledger_falsehood(self) -> str | None:
        """The first ledger row that is not what the chain says, with why; None where all are."""
        for number, entry in self._tables.ledger.items():
            truth = self._ledger_truth(entry, self._chain.head)
            if truth is None and entry.last_error is None:
                return f"ledger row {number} cannot be read, and has no error"
            if truth is not None and entry.raw != truth:
                return f"ledger row {number} says {entry.raw}, the chain {truth}: {entry}"
        return None

    def ledger_left(self) -> str | None:
        """A ledger row that is still held, when nobody is there any more."""
        return next((f"ledger row {number} is left locked: {e}" for number, e in self._tables.ledger.items() if e.locked_by), None)

    def falsehood(self) -> str | None:
        """The first row that is not what the chain says, with why; None where all are."""
        head, first = self._chain.head, self.first or 0
        for wallet, touched in head.last_touch.items():
            row = self._tables.rows(TABLE).get(wallet)
            if row is None:
                if touched > first and self._tracks(wallet):
                    return f"{wallet.hex()} was touched in block {touched} and has no row"
                continue
            if touched > first and (row.read_block is None or row.read_block < touched):
                return f"{wallet.hex()} was touched in block {touched}, its row is of {row.read_block}"
            if row.read_block is not None and row.balance != sum_of(head, wallet):
                return f"{wallet.hex()}: the row says {row.balance} at {row.read_block}, the chain {sum_of(head, wallet)}, touched in {touched}"
            if touched > first and (row.blocknumber is None or row.blocknumber < touched):
                return f"{wallet.hex()}: blocknumber {row.blocknumber}, touched in {touched}"
            if touched > first and self.exact_events and row.blocknumber != touched and row.blocknumber not in self._forks:
                return f"{wallet.hex()}: blocknumber {row.blocknumber}, touched in {touched}, and no reorg forked there"
        for wallet, row in self._tables.rows(TABLE).items():
            if wallet not in head.last_touch and row.read_block is not None and row.balance != sum_of(head, wallet):
                return f"{wallet.hex()}, never touched: the row says {row.balance}, the chain {sum_of(head, wallet)}"
        return None
