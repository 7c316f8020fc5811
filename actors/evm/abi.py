"""Selectors and topics from human-readable signatures, and the one call shape that trueup needs: `f(address)`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from actors.errors import SignatureError
from actors.evm.keccak import keccak

CALL = re.compile(r"\s*(?:function\s+)?([A-Za-z_$][\w$]*)\s*\((.*)\)\s*", re.DOTALL | re.ASCII)
EVENT = re.compile(r"\s*(?:event\s+)?([A-Za-z_$][\w$]*)\s*\((.*)\)\s*;?\s*", re.DOTALL | re.ASCII)
ARRAYS = r"((?:\[(?:[1-9]\d{0,8})?\])*)"
PLAIN = re.compile(
    r"(address|bool|string|bytes(?:[1-9]|[12]\d|3[0-2])?|u?int(?:[1-9]\d{0,2})?)" + ARRAYS + r"(\s.*)?", re.DOTALL | re.ASCII
)
TUPLE = re.compile(r"(?:tuple\s*)?\((.*)\)" + ARRAYS + r"(\s.*)?", re.DOTALL | re.ASCII)
NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
DEEPEST = 16
LONGEST = 2000  # characters; a signature of more would be read in the square of its length, or by too deep a recursion
TWELVE_ZEROS = bytes(12)


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
    match = CALL.fullmatch(_of_bounded_length(signature))
    if match is None:
        raise SignatureError(f"expected a call like balanceOf(address), got {signature!r}")
    params = _params(match[2], signature)
    if any(param.indexed for param in params):
        raise SignatureError(f"a call has no indexed parameters: {signature!r}")
    return keccak(_canonical(match[1], params).encode())[:4]


def parse_event(signature: str) -> EventSpec:
    """An event's signature with names and `indexed`. Raises SignatureError."""
    match = EVENT.fullmatch(_of_bounded_length(signature))
    if match is None:
        raise SignatureError(f"expected an event like Transfer(address indexed from, …), got {signature!r}")
    params = _params(match[2], signature)
    if sum(param.indexed for param in params) > 3:
        raise SignatureError(f"more than three indexed parameters in {signature!r}")
    return EventSpec(match[1], params, keccak(_canonical(match[1], params).encode()))


def _of_bounded_length(signature: str) -> str:
    if len(signature) > LONGEST:
        raise SignatureError(f"expected at most {LONGEST} characters, got {len(signature)}")
    return signature


def encode_call_address(selector: bytes, wallet: bytes) -> bytes:
    """The 36 bytes of a call that takes one address."""
    return selector + TWELVE_ZEROS + wallet


def static_words(kind: str) -> int | None:
    """How many words a value of this canonical type has in place; None where its size is not fixed."""
    element, bracket, size = kind.rpartition("[")
    if bracket and kind.endswith("]"):
        inner = static_words(element) if size != "]" else None
        return None if inner is None else inner * int(size[:-1])
    if kind.startswith("("):
        words = [static_words(part) for part in _split(kind[1:-1], kind)]
        return None if None in words else sum(word or 0 for word in words)
    return None if kind in ("string", "bytes") else 1


def _canonical(name: str, params: Sequence[Param]) -> str:
    return f"{name}({','.join(param.type for param in params)})"


def _split(inside: str, signature: str) -> list[str]:
    """The parts between the commas that are in no inner parentheses."""
    if not inside.strip():
        return []
    parts, depth, begin = [], 0, 0
    for at, char in enumerate(inside):
        depth += (char == "(") - (char == ")")
        if not 0 <= depth <= DEEPEST:
            break
        if char == "," and not depth:
            parts.append(inside[begin:at])
            begin = at + 1
    if depth:
        raise SignatureError(f"unbalanced parentheses in {signature!r}")
    return [*parts, inside[begin:]]


def _params(inside: str, signature: str) -> tuple[Param, ...]:
    params = tuple(_param(part, signature) for part in _split(inside, signature))
    names = [param.name for param in params if param.name]
    if len(set(names)) < len(names):
        raise SignatureError(f"two parameters of one name in {signature!r}")
    return params


def _param(part: str, signature: str) -> Param:
    text = part.strip()
    plain, compound = PLAIN.fullmatch(text), TUPLE.fullmatch(text)
    found = plain or compound
    if found is None:
        raise SignatureError(f"cannot read the parameter {text!r} of {signature!r}")
    words = (found[3] or "").split()
    indexed = words[:1] == ["indexed"]
    names = words[1:] if indexed else words
    if len(names) > 1 or any(not NAME.fullmatch(name) or name == "indexed" for name in names):
        raise SignatureError(f"cannot read the parameter {text!r} of {signature!r}")
    kind = _elementary(found[1], signature) if plain else _tuple(found[1], signature)
    return Param(names[0] if names else "", kind + found[2], indexed)


def _tuple(inside: str, signature: str) -> str:
    members = _params(inside, signature)
    if not members or any(member.indexed for member in members):
        raise SignatureError(f"a tuple that is empty or has indexed members in {signature!r}")
    return _canonical("", members)


def _elementary(kind: str, signature: str) -> str:
    base = kind.rstrip("0123456789")
    if base not in ("uint", "int"):
        return kind
    bits = int(kind[len(base) :] or 256)
    if bits % 8 or bits > 256:
        raise SignatureError(f"no such type {kind!r} in {signature!r}")
    return f"{base}{bits}"
