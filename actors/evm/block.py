"""Blocks as far as trueup needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actors.errors import BadAnswer

NO_MIX = "0x" + "00" * 32
ENDS = 2**63  # what a bigint holds; a larger number is no float either, and would end whoever reckons with it


@dataclass(frozen=True, slots=True)
class Header:
    """A block's header. `timestamp` in seconds; `prevrandao` is the word that PREVRANDAO answers inside the block.

    That is the header's `mixHash` where its `difficulty` is 0, else (Polygon, BNB, Arbitrum: no merge there) the difficulty itself.
    """

    number: int
    hash: bytes
    parent: bytes
    timestamp: int
    prevrandao: bytes

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> Header:
        """From `eth_getBlockBy…` or a `newHeads` push. Raises BadAnswer."""
        try:
            difficulty = int(obj.get("difficulty") or "0x0", 16)
            header = cls(
                int(obj["number"], 16),
                bytes.fromhex(obj["hash"][2:]),
                bytes.fromhex(obj["parentHash"][2:]),
                int(obj["timestamp"], 16),
                difficulty.to_bytes(32, "big") if difficulty else bytes.fromhex((obj.get("mixHash") or NO_MIX)[2:]),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BadAnswer(f"not a block header: {error!r:.200}") from error
        if {len(header.hash), len(header.parent), len(header.prevrandao)} != {32}:
            raise BadAnswer("not a block header: a hash is not 32 bytes long")
        if not (0 <= header.number < ENDS and 0 <= header.timestamp < ENDS):
            raise BadAnswer("not a block header: the number or the timestamp is negative, or has more than 63 bits")
        return header


@dataclass(frozen=True, slots=True)
class Pin:
    """The block that a call is made at, and the header that its answer is compared with."""

    number: int
    hash: bytes
    header: Header
