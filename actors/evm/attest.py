"""Which block and branch an answer is from, as the answer itself says: the proof that each read rests on.

Each call asks, from inside, for the block number, the parent's hash, the timestamp, PREVRANDAO and the chain id. The number and the chain
id are compared with the pin's, the rest with its header.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from actors.errors import BadAnswer, WrongBlock
from actors.evm.block import Pin

Word = bytes | None


def number_of(word: Word) -> int | None:
    """A sub-call's value: exactly one word is a value (zero too); a failure, nothing, or another length is none."""
    return int.from_bytes(word, "big") if word is not None and len(word) == 32 else None


def check(attested: Sequence[Word], pin: Pin, chain_id: int) -> None:
    """Raise WrongBlock unless number, parent, timestamp, PREVRANDAO and chain id are the pin's."""
    number, parent, timestamp, prevrandao, chain = attested
    if number_of(number) != pin.number:
        raise WrongBlock(f"answered from block {number_of(number)}, block {pin.number} was asked for")
    if number_of(chain) != chain_id:
        raise WrongBlock(f"answered from chain {number_of(chain)}, chain {chain_id} was asked for")
    header = pin.header
    if pin.number and parent != header.parent:
        raise WrongBlock(f"answered from another branch at block {pin.number}")
    if number_of(timestamp) != header.timestamp or prevrandao != header.prevrandao:
        raise WrongBlock(f"answered from a sibling of block {pin.number}")


def where(pin: Pin, by_hash: bool | None) -> Any:
    """The block parameter of a call at the pin."""
    return at_hash(pin.hash) if by_hash else hex(pin.number)


def at_hash(block_hash: bytes) -> dict[str, Any]:
    """EIP-1898: the block of that hash, and only while it is canonical."""
    return {"blockHash": "0x" + block_hash.hex(), "requireCanonical": True}


def from_hex(text: Any) -> bytes:
    """`0x…` as bytes. Raises BadAnswer."""
    if not isinstance(text, str) or not text.startswith("0x"):
        raise BadAnswer("the answer is not hex data")
    try:
        return bytes.fromhex(text[2:])
    except ValueError as error:
        raise BadAnswer("the answer is not hex data") from error
