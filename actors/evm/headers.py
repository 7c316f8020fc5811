"""Headers of blocks that an endpoint must have, or it is behind."""

from __future__ import annotations

from typing import Protocol

from actors.errors import NodeBehind
from actors.evm.block import Header


class HasHeaders(Protocol):
    """What an endpoint is asked here."""

    async def header(self, at: int | str) -> Header | None: ...


async def header_of(endpoint: HasHeaders, block: int | str) -> Header:
    """The header of a block, or of the `latest`. Raises NodeError."""
    header = await endpoint.header(block)
    if header is None:
        raise NodeBehind("has no head" if block == "latest" else f"has no block {block}")
    return header


async def check_has(endpoint: HasHeaders, target: Header) -> None:
    """Some nodes answer `[]` for blocks that they do not have: one is asked only if it has the target. Raises NodeError.

    Asked afterwards, a node that has caught up in between would vouch for an answer that it gave too early.
    """
    there = await endpoint.header(target.number)
    if there is None or there.hash != target.hash:
        raise NodeBehind(f"has no block {target.number} of that hash")
