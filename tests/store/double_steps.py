"""Steps for both stores: units of work, and what other programs do to the tables in between.

A step says what it depends on (the branch, the marks, a row as a repair found it) relative to what a side holds, so that most of what is
drawn gets past the first guard.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import psycopg

from actors.messages import Covered, Failed, Marks, Move, Raised, Reading, Repair, Touch
from actors.store import checkpoint
from actors.store.pages import Selected
from tests.store.double_sides import ASSETS, Side

NOW = 10_000.0
Chains = dict[str, int]  # their branches


class Step(Protocol):
    """Something that is done to a side, and what it says."""

    def play(self, side: Side) -> object: ...


def said(step: Step, side: Side) -> object:
    """What a step says, or by what it is refused."""
    try:
        return step.play(side)
    except psycopg.DataError as error:
        return type(error)


class Unit(NamedTuple):
    """A unit whose arguments depend on nothing."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]

    def play(self, side: Side) -> object:
        return side.run(self.fn, *self.args)


class Other(NamedTuple):
    """What is done to a side by its method of that name: time, another program, a redelivery."""

    name: str
    args: tuple[Any, ...]

    def play(self, side: Side) -> object:
        return getattr(side, self.name)(*self.args)


class Oldest(NamedTuple):
    """Of many rows of one age Postgres may take any: then it is their ages that must agree."""

    fn: Callable[..., Selected | None]
    args: tuple[Any, ...]

    def play(self, side: Side) -> object:
        found = side.run(self.fn, *self.args)
        if found is None:
            return None
        rows = side.contents()["rows"]
        wallets = [bytes.fromhex(wallet[2:]) for wallet in found.wallets.split(",")]
        ages = sorted(rows[self.args[0].table, wallet].updated_at for wallet in wallets)
        older = [wallet for wallet in wallets if rows[self.args[0].table, wallet].updated_at < found.last]
        return found.count, found.last, found.ties, ages, older if not self.args[3] else []


class OfBranch(NamedTuple):
    """A unit that names the branch it was found on, so many behind the one that is stored, and then perhaps tables."""

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    behind: int
    tables: tuple[list[str], ...] = ()

    def play(self, side: Side) -> object:
        branch = side.contents()["chains"].get(self.args[0], 0) - self.behind
        return side.run(self.fn, *self.args, branch, *self.tables)


class Outcome(NamedTuple):
    """An outcome of any kind, with what that kind needs."""

    asset: str
    wallet: bytes
    event: int | None
    behind: int
    repairs: bool
    balance: int
    block: int
    block_hash: bytes
    age: int
    error: str
    errands: frozenset[int]

    def touch(self, side: Side) -> Touch:
        repair: Repair | None = side.taken.get((self.asset, self.wallet)) if self.repairs else None
        return Touch(self.asset, self.wallet, self.event or 0, self.event, errands=self.errands, repair=repair)

    def branch(self, chains: Chains) -> int:
        return chains.get(ASSETS[self.asset].chain, 0) - self.behind

    def reading(self, side: Side, chains: Chains) -> Reading:
        return Reading(self.touch(side), self.balance, self.block, self.block_hash, self.branch(chains), NOW - self.age)


class Stride(NamedTuple):
    """One checkpoint's move: from its marks, from where the batch's last move of it ended, or from elsewhere."""

    asset: str
    start: str
    up: int
    block_hash: bytes | None
    behind: int


class Batch(NamedTuple):
    """One transaction of the writer."""

    readings: list[Outcome]
    covered: list[Outcome]
    failed: list[Outcome]
    raised: list[Outcome]
    moves: list[Stride]
    backwards: bool

    def play(self, side: Side) -> object:
        chains: Chains = side.contents()["chains"]
        moves = self._moves(side, chains)
        return side.write(
            *(o.reading(side, chains) for o in self.readings),
            now=NOW,
            covered=tuple(Covered(o.touch(side), o.branch(chains)) for o in self.covered),
            failed=tuple(Failed(o.touch(side), o.error, o.branch(chains)) for o in self.failed),
            raised=tuple(Raised(o.touch(side), o.branch(chains)) for o in self.raised),
            moves=tuple(reversed(moves) if self.backwards else moves),
        )

    def _moves(self, side: Side, chains: Chains) -> list[Move]:
        moves: list[Move] = []
        for errand, step in enumerate(self.moves):
            asset = ASSETS[step.asset]
            now = side.run(checkpoint.load, asset.checkpoint) or Marks(3, 3)
            last = [now, *(move.target for move in moves if move.name == asset.checkpoint)][-1]
            start = {"stored": now, "off": Marks(now.last_block, 99), "on": last}[step.start]
            target = Marks(start.last_block + step.up, start.last_block)
            branch = chains.get(asset.chain, 0) - step.behind
            moves.append(Move(errand, asset.chain, asset.checkpoint, branch, start, target, step.block_hash))
        return moves
