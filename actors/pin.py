"""Which block a call is pinned to.

Live: the block that a log named, where the endpoint has it, else a head that is not older than the events. Sweep: the
newest closed block, or two behind the head where that is too old or nothing closes. Every retry chooses anew from a fresh head, since
an old pin is pruned state before long.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from actors.batch import Batch
from actors.errors import NodeBehind, NotYet, OrphanedBlock, WrongBlock
from actors.evm.block import Header, Pin
from actors.evm.endpoint import Endpoint
from actors.evm.headers import header_of
from actors.ports import ChainPorts

T = TypeVar("T")
FRESH_HEAD_SECS = 2.0
OLDEST_PIN = 64  # half of the 128 blocks whose state a full node keeps
BEHIND_HEAD = 2


async def choose_pin(ports: ChainPorts, endpoint: Endpoint, batch: Batch) -> Pin:
    """A pin not older than the batch's touches. Raises NodeBehind where the endpoint has no such block."""
    closed = closed_block(ports, batch)
    if (named := await _named_by_log(endpoint, batch, closed)) is not None:
        ports.times.saw(named)
        return Pin(named.number, named.hash, named)
    header = await (_for_events(ports, endpoint, batch) if batch.live else _for_sweep(ports, endpoint, batch, closed))
    if header.number < max(batch.need, closed):
        text, known = f"has block {header.number}, block {max(batch.need, closed)} was asked for", ports.view.head
        if header.number < closed or (known is not None and header.number < known.number):
            raise NodeBehind(text)
        raise NotYet(text, header.number)
    if (known := ports.view.closed) is not None and known.number == header.number and known.hash != header.hash:
        raise WrongBlock(f"has another block {header.number} than was closed")
    return Pin(header.number, header.hash, header)


async def _named_by_log(endpoint: Endpoint, batch: Batch, closed: int) -> Header | None:
    """The block that the batch's newest log named, where the endpoint has it.

    The hash alone would be a pin for free, but then nothing but the endpoint's word would say that the answer is of that block.
    """
    newest = max(batch.touches, key=lambda touch: touch.need, default=None)
    if newest is None or newest.block_hash is None or newest.need <= closed or batch.failures:
        return None
    header = await endpoint.header("0x" + newest.block_hash.hex())
    return header if header is not None and header.number == newest.need else None


async def _for_events(ports: ChainPorts, endpoint: Endpoint, batch: Batch) -> Header:
    header = _fresh_head(ports) if not batch.failures else None
    if header is None or header.number < batch.need:
        header = await _head(ports, endpoint)
    return header


async def _for_sweep(ports: ChainPorts, endpoint: Endpoint, batch: Batch, closed: int) -> Header:
    known = None if batch.failures else ports.view.closed
    header = known if known is not None and _is_recent(ports, known) else await _settled(ports, endpoint, batch)
    if header.number < max(batch.need, closed):
        header = await _head(ports, endpoint)
    return header


def closed_block(ports: ChainPorts, batch: Batch) -> int:
    """The newest block that any of the batch's assets has closed: an older one is written only if it was one of the closed ones."""
    views = [ports.asset_views[asset] for asset in batch.assets if asset in ports.asset_views]  # a ledger's closes nothing
    return max((view.checkpoint_block or 0 for view in views), default=0)


async def pinned(ports: ChainPorts, endpoint: Endpoint, pin: Pin, ask: Callable[[], Awaitable[T]]) -> T:
    """What is answered at the pin. Raises OrphanedBlock or WrongBlock where the node has another block at its number."""
    behind: NodeBehind
    try:
        return await ask()
    except NodeBehind as error:
        behind = error
    if await is_orphaned(endpoint, pin):
        closed = ports.view.closed
        if closed is not None and pin.hash == closed.hash:
            # A reorg, which the closings will find, or a node on a branch of its own: its readings are not wanted either way.
            raise WrongBlock(f"has another block {pin.number} than was closed") from behind
        raise OrphanedBlock(f"block {pin.number} is not on the chain any more") from behind
    raise behind


async def is_orphaned(endpoint: Endpoint, pin: Pin) -> bool:
    """Whether the node has another block at the pin's number: then the pin is at fault, or the node sits on another branch."""
    there = await endpoint.header(pin.number)
    return there is not None and there.hash != pin.hash


def _fresh_head(ports: ChainPorts) -> Header | None:
    return ports.view.head if trio.current_time() - ports.head_seen_at <= FRESH_HEAD_SECS else None


def _is_recent(ports: ChainPorts, closed: Header) -> bool:
    head = ports.view.head
    return head is not None and head.number - closed.number < OLDEST_PIN and _fresh_enough(ports)


def _fresh_enough(ports: ChainPorts) -> bool:
    """A head that nobody has confirmed for long says nothing about the closed block's age."""
    return trio.current_time() - ports.head_seen_at <= max(ports.config.confirm_secs, ports.config.poll_interval_secs) * 2


async def _head(ports: ChainPorts, endpoint: Endpoint) -> Header:
    header = await header_of(endpoint, "latest")
    if ports.view.head is None or header.number > ports.view.head.number:
        ports.saw_head(header)
    return header


async def _settled(ports: ChainPorts, endpoint: Endpoint, batch: Batch) -> Header:
    """Kept for a moment, so that a sweep does not ask for two headers before each of its calls."""
    if ports.settled is not None and not batch.failures and trio.current_time() - ports.settled[1] <= FRESH_HEAD_SECS:
        return ports.settled[0]
    head = await _head(ports, endpoint)
    header = await endpoint.header(max(0, head.number - BEHIND_HEAD)) or head
    ports.settled = header, trio.current_time()
    return header
