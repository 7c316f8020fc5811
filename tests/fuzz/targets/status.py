"""Hostile texts on their way to people: through the service's JSON, and any status at all through `trueup status` and `trueup top`."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from actors import secrets
from actors.cli import status as plainly
from actors.cli.service import _json
from actors.cli.terminal import render
from actors.cli.top import summary
from actors.cli.top_page import page, verdict
from actors.cli.words import clean
from actors.errors import TrueupError
from actors.health import status
from actors.server import _dump
from tests.fuzz.draw import Draw, encoded
from tests.fuzz.promise import SECRET, keep
from tests.views import NOW, FakeEndpoint, healthy

STYLE = re.compile(r"\x1b\[(?:\d+)?m")


@dataclass
class Form:
    """How a status is asked for."""

    json: bool


def target(data: bytes) -> None:
    secrets.clear()
    secrets.register(SECRET)
    draw = Draw(data)
    body = served(draw)
    shown(body)
    hostile = _json(encoded(draw.changed(body)))
    if isinstance(hostile, dict):
        shown(hostile)


def served(draw: Draw) -> Any:
    """What the service serves of a view whose texts a node, a table or an operator chose."""
    view = healthy(FakeEndpoint(last_error=draw.text(), name=draw.text()))
    chain, asset = view.chains["ethereum"], view.assets["AUDIO"]
    chain.last_error, chain.socket_error, view.store_error = draw.text(), f"{draw.text()} {SECRET}", draw.text()
    view.store_ok = draw.flag()
    asset.set_aside_wallets = [{"wallet": draw.text(), "error": draw.text(), "attempts": 1, "next_attempt": draw.text()}]
    asset.age_error = draw.text()
    actor = {"name": draw.text(), "state": draw.pick(("running", "starting", draw.text())), "restarts": 0, "last_error": draw.text()}
    view.actors = lambda: [actor]
    told = _dump(status(view, NOW))
    keep(told.isascii() and b"\n" not in told, "an event's data is one line of ASCII")
    keep(SECRET.encode() not in told, "the status tells a secret")
    return json.loads(told)


def shown(body: dict[str, Any]) -> None:
    """In the terminal, as it is printed: nothing of it moves the cursor or colours what is not ours."""
    for form in (False, True):
        try:
            lines = plainly.lines(body, Form(form))
        except TrueupError:
            continue
        keep(all((line.replace("\n", "") if form else line).isprintable() for line in lines), f"`trueup status` prints {lines!r}")
    try:
        told = clean(body)
    except RecursionError:  # which whoever asks takes for no status
        return
    drawn = [*page(told, "http://127.0.0.1:1325", [told.get("rates") if isinstance(told.get("rates"), dict) else {}], 80, 50), *verdict(told, 80)]
    for text in [*(render(line, 80) for line in drawn), summary(told)]:
        keep(STYLE.sub("", text).isprintable(), f"`trueup top` prints {text!r}")


SEEDS = (b"\x00", b"\x01\x04\x00\x02\x01\x0a" * 6, b"\x00" * 18 + b"\x01\x01\x02\x01\x0d", b"\x00" * 18 + b"\x02\x01\x01\x00")
