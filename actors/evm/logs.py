"""Logs: which wallets they name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from actors.errors import BadAnswer, DecodeError, SignatureError
from actors.evm.abi import EventSpec, Param, parse_event, static_words

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
        spec = parse_event(event)
        by_name = {param.name: param for param in spec.params if param.name}
        for name in wallets:
            if name not in by_name:
                raise SignatureError(f"{name!r} is no parameter of {spec.name}")
            if by_name[name].type != "address":
                raise SignatureError(f"{name!r} of {spec.name} is of type {by_name[name].type}, expected address")
        if not wallets:
            raise SignatureError(f"no wallets are named for {spec.name}")
        return cls(_contract(contract), spec, tuple(wallets))


def _contract(contract: bytes | str) -> bytes:
    try:
        address = _bytes(contract) if isinstance(contract, str) else contract
    except ValueError:
        address = b""
    if len(address) != 20:
        raise SignatureError(f"{contract!r} is no address")
    return address


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


def decode_log(triggers: Sequence[Trigger], log: Mapping[str, Any]) -> LogEvent | None:
    """The event of a log, or None where it is no trigger's. Raises DecodeError where the layout is another, BadAnswer where it is no log.

    Several triggers may name one event, with other wallets or another layout: what any of them finds counts.
    """
    try:
        address, topics, data = _parts(log)
        block, block_hash = int(log["blockNumber"], 16), _bytes(log["blockHash"])
        index, removed = int(log["logIndex"], 16), bool(log.get("removed"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAnswer(f"not a log: {error!r:.200}") from error
    if len(block_hash) != 32 or block < 0 or index < 0:
        raise BadAnswer("not a log: a hash is not 32 bytes long, or a number is negative")
    matching = [trigger for trigger in triggers if trigger.contract == address and topics[:1] == [trigger.event.topic0]]
    if not matching:
        return None
    return LogEvent(block, block_hash, index, _all_wallets(matching, topics, data), removed)


def _all_wallets(triggers: Sequence[Trigger], topics: Sequence[bytes], data: bytes) -> tuple[bytes, ...]:
    found: list[tuple[bytes, ...]] = []
    fault: DecodeError | None = None
    for trigger in triggers:
        try:
            found.append(_wallets(trigger, topics, data))
        except DecodeError as error:
            fault = fault or error
    if fault is not None and not found:
        raise fault
    return tuple(dict.fromkeys(wallet for wallets in found for wallet in wallets))


def wallets_of(trigger: Trigger, log: Mapping[str, Any]) -> tuple[bytes, ...]:
    """The wallets that a log of the trigger names, each once, the zero address left out. Raises DecodeError, or BadAnswer."""
    try:
        _, topics, data = _parts(log)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadAnswer(f"not a log: {error!r:.200}") from error
    return _wallets(trigger, topics, data)


def _parts(log: Mapping[str, Any]) -> tuple[bytes, list[bytes], bytes]:
    return _bytes(log["address"]), [_bytes(topic) for topic in log["topics"]], _bytes(log["data"])


def _wallets(trigger: Trigger, topics: Sequence[bytes], data: bytes) -> tuple[bytes, ...]:
    name, params = trigger.event.name, trigger.event.params
    indexed = [param for param in params if param.indexed]
    plain = [param for param in params if not param.indexed]
    if len(topics) != len(indexed) + 1:
        raise DecodeError(f"{name}: {len(topics)} topics, expected {len(indexed) + 1}")
    _check_length(name, plain, data)
    wanted = zip(indexed, topics[1:], strict=True)
    found = {param.name: _address(name, topic) for param, topic in wanted if param.name in trigger.wallets}
    if any(param.name in trigger.wallets for param in plain):
        found.update(_decode_plain(trigger, plain, data))
    return tuple(dict.fromkeys(found[wallet] for wallet in trigger.wallets if found[wallet] != ZERO))


def _check_length(name: str, plain: Sequence[Param], data: bytes) -> None:
    sizes = [static_words(param.type) for param in plain]
    least = 32 * sum(1 if size is None else size for size in sizes)
    if len(data) < least or (len(data) > least and None not in sizes):
        raise DecodeError(f"{name}: {len(data)} bytes of data, expected {'at least ' if None in sizes else ''}{least}")


def _decode_plain(trigger: Trigger, plain: Sequence[Param], data: bytes) -> dict[str, bytes]:
    """The wallets among the parameters that are not indexed. Of all else only the place counts: a text that is no UTF-8, or an array that
    says it has 2**40 items, must not hide them.
    """
    found, at = {}, 0
    for param in plain:
        if param.name in trigger.wallets:
            found[param.name] = _address(trigger.event.name, data[at : at + 32])
        size = static_words(param.type)
        at += 32 * (1 if size is None else size)
    return found


def _address(name: str, topic: bytes) -> bytes:
    if len(topic) != 32 or any(topic[:12]):
        raise DecodeError(f"{name}: an address is not 20 bytes long")
    return topic[12:]


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
