"""Pages of logs: what is found by columns is exactly what is found log by log, and so is what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from actors.errors import BadAnswer, WrongBlock
from actors.evm.columns import Asked
from actors.gather import Gatherer, Span
from actors.ports import ChainPorts
from tests.fuzz.documents import TRIGGERS, page
from tests.fuzz.draw import Draw
from tests.fuzz.promise import is_plain, keep

BAD = (BadAnswer, WrongBlock)


class Counter:
    """A metric."""

    def labels(self, *_: str) -> Counter:
        return self

    def inc(self, by: int = 1) -> None:
        pass


PORTS = cast(ChainPorts, SimpleNamespace(config=SimpleNamespace(max_log_blocks=9000), metrics=SimpleNamespace(logs_undecodable=Counter())))
ASSET = cast(Any, SimpleNamespace(name="AUDIO", triggers=TRIGGERS))
BY_COLUMNS, ONE_BY_ONE = Gatherer(PORTS, ASSET), Gatherer(PORTS, ASSET)
ONE_BY_ONE._shapes = ()


class Answers:
    """An endpoint that answers one page."""

    def __init__(self, entries: list[dict[str, Any]]) -> None:
        self._entries = entries

    async def logs(self, where: dict[str, Any]) -> list[dict[str, Any]]:
        return self._entries


def target(data: bytes) -> None:
    draw = Draw(data)
    changed: list[dict[str, Any]] = page()
    for _ in range(draw.number(3)):
        at = draw.number(len(changed) - 1) if changed else 0
        made = draw.changed(changed[at : at + 1])
        changed[at : at + 1] = [each for each in made if isinstance(each, dict)] if isinstance(made, list) else []
    if draw.flag():
        changed.reverse()
    last = 9 + draw.number(2)
    asked = Asked(8, last, last, bytes.fromhex(page()[6]["blockHash"][2:]), draw.pick((float("inf"), 7, 9, -1)))
    columns, single = found(BY_COLUMNS, changed, asked), found(ONE_BY_ONE, changed, asked)
    keep(columns == single, f"by columns {columns}, log by log {single}")


def found(gatherer: Gatherer, entries: list[dict[str, Any]], asked: Asked) -> Span | None:
    """What a page says; None where it is refused."""
    asking = gatherer.range(cast(Any, Answers(entries)), asked)
    try:
        asking.send(None)
    except StopIteration as done:
        span = cast(Span, done.value)
        keep(all(len(wallet) == 20 and any(wallet) and asked.first <= block <= asked.last for wallet, block in span.events.items()), "a wallet")
        return span
    except BAD as error:
        is_plain(str(error))
        return None
    raise AssertionError("it waits")


SEEDS = (b"\x00\x00\x01\x03", b"\x01\x00\x01\x00\x01\x01\x01\x01\x00\x01\x00", b"\x02\x03\x01\x01\x01\x02\x00\x01\x01\x01")
