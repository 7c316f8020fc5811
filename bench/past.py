"""A chain with a past: so many blocks of transfers among the holders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from actors.sandbox.anvil import Anvil
from bench.node import node
from bench.scene import Scale
from bench.traffic import HOLDERS, Traffic

A_BLOCK = 50


@dataclass(frozen=True)
class Past:
    """Blocks `first` to `last` hold `events` transfers."""

    anvil: Anvil
    traffic: Traffic
    first: int
    last: int
    events: int


@contextmanager
def past(scale: Scale) -> Iterator[Past]:
    """50,000 transfers in 1,000 blocks, on a node that then stands still."""
    blocks = scale.of(1_000, 20)
    with node(HOLDERS) as anvil:
        traffic = Traffic(anvil)
        first = traffic.block() + 1
        scale.show(f"  {blocks} blocks of {A_BLOCK} transfers")
        for _ in range(blocks):
            traffic.queue(A_BLOCK, markers=0)
            traffic.mine()
        yield Past(anvil, traffic, first, first + blocks - 1, blocks * A_BLOCK)
