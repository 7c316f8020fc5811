"""Signatures of calls and events, against an ABI library's own grammar as an independent reader of types."""

from __future__ import annotations

from eth_abi.exceptions import ABITypeError, ParseError
from eth_abi.grammar import parse

from actors.errors import SignatureError
from actors.evm.abi import EventSpec, parse_call, parse_event, static_words
from actors.evm.logs import Trigger
from tests.fuzz.draw import Draw
from tests.fuzz.promise import is_plain, keep

WORDS = (
    "Transfer", "f", "event ", "function ", "(", ")", "(", ")", ",", " ", "address", "uint256", "uint", "int8", "bytes32", "bytes", "string", "bool",
    "tuple", "[]", "[2]", "[0]", "[999999999]", " indexed ", "from", "to", "indexed", "address indexed from", "uint7", "bytes33", "é", "\n", ";", "$",
)  # fmt: skip


def target(data: bytes) -> None:
    draw = Draw(data)
    text = "".join(draw.pick(WORDS) for _ in range(draw.number(30))) if draw.flag() else draw.rest().decode("utf-8", "replace")
    try:
        keep(len(parse_call(text)) == 4, "a selector has four bytes")
    except SignatureError as error:
        is_plain(str(error), 10_000)
    try:
        event = parse_event(text)
        named = [param.name for param in event.params if param.name]
        Trigger.parse(bytes(19) + b"\x01", text, named[:1] or ["x"])
    except SignatureError as error:
        is_plain(str(error), 10_000)
        return
    agrees(event)


def agrees(event: EventSpec) -> None:
    """Its types are types to the library too, of the same size; and as it is shown, it reads again."""
    for param in event.params:
        try:
            kind = parse(param.type)
            kind.validate()
        except (ParseError, ABITypeError) as error:
            raise AssertionError(f"{param.type} is no type: {error}") from error
        keep((static_words(param.type) is None) == kind.is_dynamic, f"{param.type}: of a fixed size or not")
        keep(kind.to_type_str() == param.type, f"{param.type} is not canonical")
    shown = ", ".join(f"{each.type}{' indexed' if each.indexed else ''} {each.name}".strip() for each in event.params)
    keep(parse_event(f"{event.name}({shown})") == event, "what is shown of an event is another one")


SEEDS = (
    b"\x00Transfer(address indexed from, address indexed to, uint256 value)",
    b"\x00event E((uint a, bytes[] b)[2][] indexed x, address y);",
    b"\x01\x09\x00\x04\x13\x06\x05",
    b"\x00balanceOf(address)",
)
