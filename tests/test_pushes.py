"""What becomes of what a node pushes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from actors.mailbox import Mailbox
from actors.messages import Touch
from actors.metrics import Metrics
from actors.pushes import PushWatch, Socket


async def test_a_hint_that_finds_its_lane_full_is_dropped_and_counted() -> None:
    touches: Mailbox[tuple[Touch, ...]] = Mailbox("touches", 1)
    ports: Any = SimpleNamespace(config=SimpleNamespace(name="c"), metrics=Metrics(), touches=touches)
    socket = Socket(ports, {}, PushWatch(), lambda whole: None)
    for _ in range(3):
        socket._offer((Touch("T", bytes(20)),))
    assert (touches.live.waiting(), ports.metrics.hints_dropped.labels("c")._value.get()) == (1, 2)
