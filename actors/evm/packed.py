"""The rungs *packed* and *deployless*: packed addresses in, one word a wallet out, by a program of our own (see `programs`).

Packed puts the program in the place of an account by a state override; deployless runs it as the code that would deploy a contract, whose
code (24,576 bytes at most) is the answer. Both mark a wallet without a sum by all ones, and do not say why: a wallet that is asked for
alone is therefore explained source by source. Sums come as 16 bytes; those that need more are marked too, and asked for again as words.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from actors.errors import BadAnswer, Permanent
from actors.evm import attest, programs
from actors.evm.attest import Word
from actors.evm.block import Header, Pin
from actors.evm.keccak import keccak
from actors.evm.rung import NARROW, Answer, Failure, Gas, Node, PageAnswer, Plan, Sources, Value, as_text, sum_of

READER = "0x" + keccak(b"trueup reader")[12:].hex()  # nobody's account
ATTESTED = programs.ATTESTED_WORDS
HEAD = (ATTESTED + 1) * 32
WIDE = 32
MOST_RETURNED = 24_576
INTRINSIC_GAS, GAS_A_BYTE = 21_000, 16
MARKED = Failure("has no sum")
MARK = b"\xff" * NARROW


class Packed:
    """Either rung."""

    def __init__(self, deployless: bool = False) -> None:
        self._deployless = deployless
        self.name = "deployless" if deployless else "packed"
        self.most = (MOST_RETURNED - HEAD) // WIDE if deployless else 1_000_000

    async def read(self, node: Node, chain_id: int, pin: Pin, plan: Plan, wide: bool = False) -> Answer:
        """See `Rung`."""
        if len(plan) == 1:
            return Answer([await self._explained(node, chain_id, pin, *plan[0])])
        by_sources: dict[Sources, list[int]] = {}
        for index, (sources, _) in enumerate(plan):
            by_sources.setdefault(sources, []).append(index)
        order = [index for indices in by_sources.values() for index in indices]
        groups = tuple((sources, len(indices)) for sources, indices in by_sources.items())
        addresses = "".join(plan[index][1].hex() for index in order)
        width = WIDE if wide else NARROW
        data = await self._read(node, chain_id, pin, groups, addresses, width)
        values: list[Value] = [MARKED] * len(plan)
        for index, value in zip(order, _values(data, width), strict=True):
            if value is not None and plan[index][0]:
                values[index] = value
        return Answer(values, _gas(data, len(plan)), marked=not wide)

    async def read_page(self, node: Node, chain_id: int, pin: Pin, sources: Sources, addresses: str) -> PageAnswer:
        """See `Rung`."""
        count = len(addresses) // 40
        data = await self._read(node, chain_id, pin, ((sources, count),), addresses, NARROW)
        sums, failed = _texts(data)
        return PageAnswer(sums, failed, _gas(data, count), marked=True)

    async def _read(
        self, node: Node, chain_id: int, pin: Pin, groups: tuple[programs.Group, ...], addresses: str, width: int
    ) -> bytes:
        """The answer, which is of the pin's block and as long as it has to be."""
        program = programs.sums(groups, width, node.number_from_arbsys, self._deployless)
        data = await self._run(node, program, addresses, attest.where(pin, node.hash_pins))
        count = len(addresses) // 40
        if len(data) != HEAD + width * count:
            raise BadAnswer(f"answered {len(data)} bytes for {count} wallets")
        attest.check(_attested(data), pin, chain_id)
        return data

    async def _explained(self, node: Node, chain_id: int, pin: Pin, sources: Sources, wallet: bytes) -> Value:
        program = programs.explained(sources, node.number_from_arbsys, self._deployless)
        data = await self._run(node, program, wallet.hex(), attest.where(pin, node.hash_pins))
        if len(data) != HEAD + programs.EXPLAINED * len(sources):
            raise BadAnswer(f"answered {len(data)} bytes for one wallet")
        attest.check(_attested(data), pin, chain_id)
        return sum_of([_source(data, at) for at in range(HEAD, len(data), programs.EXPLAINED)])

    async def attested(self, node: Node, at: Any, arbsys: bool, number: int) -> Sequence[Word]:
        """See `Rung`."""
        data = await self._run(node, programs.sums((), NARROW, arbsys, self._deployless), "", at)
        if len(data) != HEAD:
            raise Permanent(f"answered {len(data)} bytes to a program that returns {HEAD}")
        return _attested(data)

    async def ancestors(self, node: Node, chain_id: int, tip: Header, numbers: Sequence[int]) -> list[Word]:
        """See `Rung`."""
        pin = Pin(tip.number, tip.hash, tip)
        program = programs.ancestors(numbers, node.number_from_arbsys, self._deployless)
        data = await self._run(node, program, "", attest.where(pin, node.hash_pins))
        if len(data) != HEAD + 32 * len(numbers):
            raise BadAnswer(f"answered {len(data)} bytes for {len(numbers)} ancestors")
        attest.check(_attested(data), pin, chain_id)
        words = [data[at : at + 32] for at in range(HEAD, len(data), 32)]
        return [word if any(word) else None for word in words]

    async def _run(self, node: Node, program: bytes, addresses: str, at: Any) -> bytes:
        code = "0x" + program.hex()
        if self._deployless:
            answer = await node.call("eth_call", [{"data": code + addresses}, at])
        else:
            answer = await node.call("eth_call", [{"to": READER, "data": "0x" + addresses}, at, {READER: {"code": code}}])
        if answer == "0x":
            raise Permanent(f"the {self.name} program is not run")
        return attest.from_hex(answer)


def _attested(data: bytes) -> list[bytes]:
    return [data[at : at + 32] for at in range(32, ATTESTED * 32, 32)]


def _values(data: bytes, width: int) -> list[int | None]:
    """The sums; None where a wallet is marked."""
    values: list[int | None] = [int.from_bytes(word) for (word,) in struct.iter_unpack(f"{width}s", memoryview(data)[HEAD:])]
    marked = 256**width - 1
    return [None if value == marked else value for value in values] if marked in values else values


def _texts(data: bytes) -> tuple[str, list[int]]:
    """The narrow sums as `0x…` joined by commas, and the places of the wallets that are marked, which are left out."""
    words = data[HEAD:]
    failed: list[int] = []
    if MARK in words:  # perhaps across two words: a sum's end and the next one's beginning
        each = [words[at : at + NARROW] for at in range(0, len(words), NARROW)]
        failed = [place for place, word in enumerate(each) if word == MARK]
        words = b"".join([word for word in each if word != MARK])
    return as_text(words), failed


def _source(data: bytes, at: int) -> tuple[int, Word]:
    succeeded, size, word = (data[at + 32 * slot : at + 32 * slot + 32] for slot in range(3))
    return (int.from_bytes(size, "big") if any(succeeded) else -1), word


def _gas(data: bytes, holders: int) -> Gas:
    """What the node gave in all, and what the call used; the data's cost counts as full bytes, which addresses mostly are."""
    first, last = (int.from_bytes(data[at : at + 32], "big") for at in (0, ATTESTED * 32))
    data_gas = INTRINSIC_GAS + GAS_A_BYTE * 20 * holders
    return Gas(holders, first + data_gas, first - last + data_gas)
