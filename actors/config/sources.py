"""An asset's `sources` and `triggers`: addresses and signatures become what the readers use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from actors.config.checks import Unexpected, address
from actors.config.keys import nearest
from actors.config.place import Place, kind_of, shown
from actors.errors import SignatureError
from actors.evm import abi
from actors.evm.logs import Trigger
from actors.evm.source import Source

_Parsed = TypeVar("_Parsed")
SHAPES = '{ contract = "0x…", call = "…" } or { native = true }'


def sources(raw: object, place: Place) -> tuple[tuple[Source, ...], tuple[str, ...]]:
    """The sources, and their calls as written ("" for the native balance)."""
    pairs = _each(raw, place, _source)
    if not pairs:
        raise place.wrong(f"at least one of {SHAPES}", "an empty array")
    found = tuple(source for source, _ in pairs)
    for index, source in enumerate(found):
        if source in found[:index]:
            raise place.entry(index).wrong("each source once", "a second one that is the same")
    return found, tuple(call for _, call in pairs)


def triggers(raw: object, place: Place) -> tuple[Trigger, ...]:
    return tuple(_each(raw, place, _trigger))


def _each(raw: object, place: Place, parse: Callable[[dict[str, Any], Place], Any]) -> list[Any]:
    if not isinstance(raw, list):
        raise place.wrong("an array of tables", shown(raw))
    found = []
    for index, each in enumerate(raw):
        if not isinstance(each, dict):
            raise place.entry(index).wrong("a table", shown(each))
        found.append(parse(each, place.entry(index)))
    return found


def _source(raw: dict[str, Any], place: Place) -> tuple[Source, str]:
    _known(raw, ["native", "contract", "call"], place)
    if "native" in raw:
        if raw["native"] is not True or len(raw) > 1:
            raise place.wrong(SHAPES, f"native = {shown(raw['native'])} with {len(raw) - 1} other keys")
        return Source(None, None), ""
    contract, call = _contract(raw, place), _text(raw, "call", place)
    selector = _signature(lambda: abi.parse_call(call), call, place.at("call"))
    if not _takes_an_address(call):
        raise place.at("call").wrong("a call that takes one address", shown(call))
    return Source(contract, selector), call


def _trigger(raw: dict[str, Any], place: Place) -> Trigger:
    _known(raw, ["contract", "event", "wallets"], place)
    contract, event = _contract(raw, place), _text(raw, "event", place)
    wallets = raw.get("wallets")
    if not isinstance(wallets, list) or not wallets or not all(isinstance(each, str) for each in wallets):
        raise place.at("wallets").wrong(
            "an array of the event's parameters that hold an address", shown(wallets)
        )
    spec = _signature(lambda: abi.parse_event(event), event, place.at("event"))
    holding = [param.name for param in spec.params if param.type == "address" and param.name]
    for index, wallet in enumerate(wallets):
        if wallet not in holding or wallet in wallets[:index]:
            expected = f"parameters of type address, each once ({', '.join(holding) or 'the event has none'})"
            raise place.at("wallets").entry(index).wrong(expected, shown(wallet))
    return _signature(
        lambda: Trigger.parse("0x" + contract.hex(), event, tuple(wallets)), event, place.at("event")
    )


def _known(raw: dict[str, Any], known: list[str], place: Place) -> None:
    for name in raw:
        if name not in known:
            raise place.at(name).at_key(f"unknown key, {nearest(name, known)}")


def _contract(raw: dict[str, Any], place: Place) -> bytes:
    text = _text(raw, "contract", place)
    try:
        return address(text)
    except Unexpected as error:
        raise place.at("contract").wrong(error.expected, error.got or shown(text)) from None


def _text(raw: dict[str, Any], name: str, place: Place) -> str:
    if name not in raw:
        raise place.at(name).at_key("is missing, it has no default")
    value = raw[name]
    if not isinstance(value, str):
        raise place.at(name).wrong(
            "a text", shown(value) if not isinstance(value, list | dict) else kind_of(value)
        )
    return value


def _signature(parse: Callable[[], _Parsed], text: str, place: Place) -> _Parsed:
    try:
        return parse()
    except SignatureError as error:
        raise place.wrong(f"a signature ({error})", shown(text)) from None


def _takes_an_address(call: str) -> bool:
    inside = call.partition("(")[2].partition(")")[0].split()
    return inside[:1] == ["address"] and "," not in call.partition(")")[0]
