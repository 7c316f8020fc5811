"""Blocks as far as trueup needs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actors.errors import BadAnswer


@dataclass(frozen=True, slots=True)
class Header:
    """A block's header. `prevrandao` is the header's `mixHash`, 32 bytes; `timestamp` in seconds."""

    number: int
    hash: bytes
    parent: bytes
    timestamp: int
    prevrandao: bytes

    @classmethod
    def from_json(cls, obj: Mapping[str, Any]) -> Header:
        """From `eth_getBlockBy…` or a `newHeads` push. Raises BadAnswer."""
        try:
            header = cls(
                int(obj["number"], 16),
                bytes.fromhex(obj["hash"][2:]),
                bytes.fromhex(obj["parentHash"][2:]),
                int(obj["timestamp"], 16),
                bytes.fromhex((obj.get("mixHash") or "0x" + "00" * 32)[2:]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BadAnswer(f"not a block header: {error}") from error
        if len(header.hash) != 32 or len(header.parent) != 32:
            raise BadAnswer("not a block header: a hash is not 32 bytes long")
        return header


@dataclass(frozen=True, slots=True)
class Pin:
    """The block that a call is made at. Without a header only a hash pin that is proven honoured will do."""

    number: int
    hash: bytes
    header: Header | None
