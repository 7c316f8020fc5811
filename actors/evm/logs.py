"""Logs: which wallets they name, and how many blocks to ask for at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actors.errors import BadAnswer, DecodeError, SignatureError
from actors.evm.abi import EventSpec, Param, parse_event

ZERO = bytes(20)


@dataclass(frozen=True, slots=True)
class Trigger:
    """A contract and an event; `wallets` names the parameters that hold an address."""

    contract: bytes
    event: EventSpec
    wallets: tuple[str, ...]

    @classmethod
    def parse(cls, contract: bytes | str, event: str, wallets: Sequence[str]) -> Trigger:
        """From the config's values. Raises SignatureError."""
        address = bytes.fromhex(contract.removeprefix("0x")) if isinstance(contract, str) else contract
        spec = parse_event(event)
        by_name = {param.name: param for param in spec.params}
        for name in wallets:
            if name not in by_name:
                raise SignatureError(f"{name!r} is no parameter of {spec.name}")
            if by_name[name].type != "address":
                raise SignatureError(f"{name!r} of {spec.name} is of type {by_name[name].type}, expected address")
        if not wallets:
            raise SignatureError(f"no wallets are named for {spec.name}")
        return cls(address, spec, tuple(wallets))


@dataclass(frozen=True, slots=True)
class LogEvent:
    """What a log says: these wallets changed in that block. `index` is the log's own within the block."""

    block: int
    block_hash: bytes
    index: int
    wallets: tuple[bytes, ...]
    removed: bool


def filter_for(triggers: Sequence[Trigger]) -> dict[str, Any]:
    """The address and topics part of a filter that matches all triggers, and maybe more."""
    addresses = dict.fromkeys("0x" + trigger.contract.hex() for trigger in triggers)
    topics = dict.fromkeys("0x" + trigger.event.topic0.hex() for trigger in triggers)
    return {"address": list(addresses), "topics": [list(topics)]}


def decode_log(triggers: Sequence[Trigger], log: dict[str, Any]) -> LogEvent | None:
    """The event of a log, or None where it is no trigger's. Raises DecodeError where the layout is another, BadAnswer where it is no log."""
    try:
        address, topics = _bytes(log["address"]), [_bytes(topic) for topic in log["topics"]]
        data, block, block_hash = _bytes(log["data"]), int(log["blockNumber"], 16), _bytes(log["blockHash"])
        index, removed = int(log["logIndex"], 16), bool(log.get("removed"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAnswer(f"not a log: {error!r}") from error
    for trigger in triggers:
        if trigger.contract == address and topics[:1] == [trigger.event.topic0]:
            return LogEvent(block, block_hash, index, wallets_of(trigger, topics, data), removed)
    return None


def wallets_of(trigger: Trigger, topics: Sequence[bytes], data: bytes) -> tuple[bytes, ...]:
    """The wallets that a log names, the zero address left out. Raises DecodeError."""
    indexed = [param for param in trigger.event.params if param.indexed]
    plain = [param for param in trigger.event.params if not param.indexed]
    if len(topics) != len(indexed) + 1:
        raise DecodeError(f"{trigger.event.name}: {len(topics)} topics, expected {len(indexed) + 1}")
    found = {param.name: _address(topic) for param, topic in zip(indexed, topics[1:], strict=True) if param.type == "address"}
    if any(param.name in trigger.wallets for param in plain):
        found.update(_decode_plain(trigger, plain, data))
    elif len(data) < 32 * len(plain):
        raise DecodeError(f"{trigger.event.name}: {len(data)} bytes of data, expected {32 * len(plain)}")
    return tuple(dict.fromkeys(found[name] for name in trigger.wallets if found[name] != ZERO))


def _decode_plain(trigger: Trigger, plain: Sequence[Param], data: bytes) -> dict[str, bytes]:
    from eth_abi.abi import decode  # here, since its import costs 200 ms that most set-ups never need
    from eth_abi.exceptions import DecodingError

    try:
        values = decode([param.type for param in plain], data)
    except (DecodingError, OverflowError) as error:
        raise DecodeError(f"{trigger.event.name}: {error}") from error
    pairs = zip(plain, values, strict=True)
    return {param.name: bytes.fromhex(value[2:]) for param, value in pairs if param.type == "address"}


def _address(topic: bytes) -> bytes:
    if len(topic) != 32 or any(topic[:12]):
        raise DecodeError("an indexed address is not 20 bytes long")
    return topic[12:]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


class RangeSize:
    """How many blocks one eth_getLogs asks for: shrinks by the refusal's own hint or by half, and grows again by steps."""

    def __init__(self, most: int) -> None:
        self._most = self.current = most

    def refused(self, hint: int | None) -> None:
        """The range was too long, or held too much. A hint that would not shrink it is not believed."""
        half = max(1, self.current // 2)
        self.current = max(1, hint) if hint is not None and hint < self.current else half

    def accepted(self) -> None:
        """A range went through: a quarter more next time."""
        self.current = min(self._most, self.current + max(1, self.current // 4))
