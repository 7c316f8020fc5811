"""Selectors and topics from human-readable signatures, and the one call shape that trueup needs: `f(address)`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from actors.errors import SignatureError
from actors.evm.keccak import keccak

CALL = re.compile(r"\s*(?:function\s+)?([A-Za-z_$][\w$]*)\s*\((.*)\)\s*", re.DOTALL)
EVENT = re.compile(r"\s*(?:event\s+)?([A-Za-z_$][\w$]*)\s*\((.*)\)\s*;?\s*", re.DOTALL)
TYPE = re.compile(r"(?:address|bool|string|bytes(?:[1-9]|[12]\d|3[0-2])?|u?int(?:\d+)?)(?:\[\d*\])*|\(.*\)(?:\[\d*\])*")
NAME = re.compile(r"[A-Za-z_$][\w$]*")


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of an event, its type in canonical form."""

    name: str
    type: str
    indexed: bool


@dataclass(frozen=True, slots=True)
class EventSpec:
    """An event as its signature declares it."""

    name: str
    params: tuple[Param, ...]
    topic0: bytes


def parse_call(signature: str) -> bytes:
    """The 4-byte selector of `name(type,…)`. Raises SignatureError."""
    match = CALL.fullmatch(signature)
    if match is None:
        raise SignatureError(f"expected a call like balanceOf(address), got {signature!r}")
    types = [_param(part, signature).type for part in _split(match[2], signature)]
    return keccak(f"{match[1]}({','.join(types)})".encode())[:4]


def parse_wallet_call(signature: str) -> bytes:
    """The selector of a call whose only parameter is the wallet. Raises SignatureError."""
    selector = parse_call(signature)
    inside = signature[signature.index("(") + 1 : signature.rindex(")")]
    if [_param(part, signature).type for part in _split(inside, signature)] != ["address"]:
        raise SignatureError(f"expected a call that takes one address, got {signature!r}")
    return selector


def parse_event(signature: str) -> EventSpec:
    """An event's signature with names and `indexed`. Raises SignatureError."""
    match = EVENT.fullmatch(signature)
    if match is None:
        raise SignatureError(f"expected an event like Transfer(address indexed from, …), got {signature!r}")
    params = tuple(_param(part, signature) for part in _split(match[2], signature))
    if sum(param.indexed for param in params) > 3:
        raise SignatureError(f"more than three indexed parameters in {signature!r}")
    canonical = f"{match[1]}({','.join(param.type for param in params)})"
    return EventSpec(match[1], params, keccak(canonical.encode()))


def encode_call_address(selector: bytes, wallet: bytes) -> bytes:
    """The 36 bytes of a call that takes one address."""
    return selector + bytes(12) + wallet


def _split(inside: str, signature: str) -> list[str]:
    """The parts between the commas that are in no inner parentheses."""
    if not inside.strip():
        return []
    parts, depth = [""], 0
    for char in inside:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            break
        if char == "," and not depth:
            parts.append("")
        else:
            parts[-1] += char
    if depth:
        raise SignatureError(f"unbalanced parentheses in {signature!r}")
    return parts


def _param(part: str, signature: str) -> Param:
    text = part.strip()
    if text.startswith("tuple("):
        text = text[5:]
    end = text.rfind(")") + 1
    while end and text[end : end + 1] == "[":
        end = text.index("]", end) + 1
    head, *words = [text[:end], *text[end:].split()] if end else text.split() or [""]
    indexed = words[:1] == ["indexed"]
    names = words[1:] if indexed else words
    if len(names) > 1 or not TYPE.fullmatch(head) or any(not NAME.fullmatch(name) for name in names):
        raise SignatureError(f"cannot read the parameter {part.strip()!r} of {signature!r}")
    return Param(names[0] if names else "", _canonical(head, signature), indexed)


def _canonical(head: str, signature: str) -> str:
    if head.startswith("("):
        end = head.rfind(")")
        inner = [_param(part, signature).type for part in _split(head[1:end], signature)]
        return f"({','.join(inner)}){head[end + 1 :]}"
    base, bracket, rest = head.partition("[")
    if base in ("uint", "int"):
        base += "256"
    bits = base.lstrip("uint") if base.startswith(("uint", "int")) else ""
    if bits and (int(bits) % 8 or not 8 <= int(bits) <= 256):
        raise SignatureError(f"no such type {base!r} in {signature!r}")
    return base + bracket + rest
