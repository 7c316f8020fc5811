"""What becomes of what a node pushes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import trio

from actors.mailbox import Mailbox
from actors.messages import Touch
from actors.metrics import Metrics
from actors.pushes import PushWatch, Socket
from actors.timers import Timers


async def test_a_hint_that_finds_its_lane_full_is_dropped_and_counted() -> None:
    touches: Mailbox[tuple[Touch, ...]] = Mailbox("touches", 1)
    ports: Any = SimpleNamespace(config=SimpleNamespace(name="c"), metrics=Metrics(), touches=touches)
    socket = Socket(ports, {}, PushWatch(), lambda whole: None)
    for _ in range(3):
        socket._offer((Touch("T", bytes(20)),))
    assert (touches.live.waiting(), ports.metrics.hints_dropped.labels("c")._value.get()) == (1, 2)


async def test_what_a_session_dropped_at_its_full_queue_is_counted_with_the_next_notification() -> None:
    ports: Any = SimpleNamespace(
        config=SimpleNamespace(name="c", stall_secs=1.0, follow="logs"), metrics=Metrics(), view=SimpleNamespace(last_push_at=None), timers=Timers()
    )
    socket = Socket(ports, {}, PushWatch(), lambda whole: None)
    await socket._next(_Session(dropped=3), {}, "logs")  # type: ignore[arg-type]  # all that it is asked for
    assert ports.metrics.hints_dropped.labels("c")._value.get() == 3


class _Session:
    def __init__(self, dropped: int) -> None:
        self._dropped = dropped

    async def next_note(self) -> tuple[str, dict[str, object]]:
        await trio.lowlevel.checkpoint()
        return "0x1", {}

    def take_dropped(self) -> int:
        return self._dropped
