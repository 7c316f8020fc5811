"""What all rungs of the ladder share: the question, the answer, and what one rung is.

A wallet has a whole sum or none: each source must answer one full word, and the sum must fit below 2**256-1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from actors.evm.attest import Word
from actors.evm.block import Header, Pin
from actors.evm.source import Source

OVERFLOW = 2**256 - 1
NARROW = 16
Sources = tuple[Source, ...]
Plan = Sequence[tuple[Sources, bytes]]


@dataclass(frozen=True, slots=True)
class Failure:
    """A wallet that has no sum, and why."""

    reason: str


Value = int | Failure


@dataclass(frozen=True, slots=True)
class Gas:
    """What a call of `holders` wallets was given by the node, its data's cost included, and what it used."""

    holders: int
    given: int
    used: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Each wallet's sum, in the order asked; the gas where the rung can tell. `marked`: who failed may only have a sum too large for the
    width of the answer, and is to be asked for again as a word.
    """

    values: list[Value]
    gas: Gas | None = None
    marked: bool = False


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """The sums of a page's wallets in their order, as `0x…` joined by commas, but for those wallets that have none: `failed` says which,
    by their places. Else as `Answer`.

    They stay text on their way to Postgres: to make a million numbers and to print them would cost as much as all else of a read.
    """

    sums: str
    failed: Sequence[int] = ()
    gas: Gas | None = None
    marked: bool = False


class Node(Protocol):
    """What is needed of an endpoint."""

    hash_pins: bool | None
    number_from_arbsys: bool

    async def call(self, method: str, params: list[Any]) -> Any: ...
    async def batch(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]: ...
    async def header(self, at: int | str) -> Header | None: ...


class Rung(Protocol):
    """One way to read many wallets in one request. `most`: wallets a request."""

    name: str
    most: int

    async def read(self, node: Node, chain_id: int, pin: Pin, plan: Plan, wide: bool = False) -> Answer:
        """Each wallet's sum at the pin; `wide`: as full words. Raises WrongBlock where the answer is from elsewhere, or another NodeError."""

    async def read_page(self, node: Node, chain_id: int, pin: Pin, sources: Sources, addresses: str) -> PageAnswer:
        """The same for wallets of one list of sources, whose addresses follow each other in hex digits: what a sweep of many wallets goes
        through, without an object for each.
        """

    async def attested(self, node: Node, at: Any, arbsys: bool, number: int) -> Sequence[Word]:
        """The five attested words of a call at a block parameter, for block `number`. Raises NodeError; Permanent where this rung does not
        work on the node.
        """

    async def ancestors(self, node: Node, chain_id: int, tip: Header, numbers: Sequence[int]) -> list[Word]:
        """The hashes of the tip's own ancestors; None where the chain does not tell. Raises a NodeError."""


def as_text(sums: bytes) -> str:
    """Sums of `NARROW` bytes, one behind the other, as a page's answer holds them."""
    return "0x" + sums.hex(",", -NARROW).replace(",", ",0x") if sums else ""


def page_answer(values: Sequence[int | None]) -> PageAnswer:
    """The answer of a rung that has numbers; None: a wallet without a sum."""
    failed = [place for place, value in enumerate(values) if value is None] if None in values else []
    return PageAnswer(",".join([hex(value) for value in values if value is not None]), failed)


def plan_of(sources: Sources, addresses: str) -> Plan:
    """A page's wallets, each by itself."""
    return [(sources, bytes.fromhex(addresses[at : at + 40])) for at in range(0, len(addresses), 40)]


def sum_of(results: Sequence[tuple[int, Word]]) -> Value:
    """One wallet's sum of what its sources answered: how many bytes (-1 where it reverted), and the word where that is 32."""
    total = 0
    if not results:
        return Failure("no sources")
    for index, (size, word) in enumerate(results):
        if size != 32 or word is None:
            return Failure(f"source {index} " + ("reverted" if size < 0 else f"answered {size} bytes instead of 32"))
        total += int.from_bytes(word, "big")
    return total if total < OVERFLOW else Failure("overflow")
