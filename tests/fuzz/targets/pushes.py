"""What a chain's socket makes of pushes: heads and logs as they come, whatever is in them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import trio

from actors.errors import NodeError
from actors.ports import ChainPorts
from actors.pushes import HINTS_AT_ONCE, PushWatch, Socket
from actors.timers import Timers
from tests.fuzz.documents import BLOCK, HEADER, TRIGGERS, WALLETS, log, moved
from tests.fuzz.draw import Draw
from tests.fuzz.promise import is_plain, keep
from tests.fuzz.targets.logs import Counter

ASSETS = cast(Any, {"AUDIO": SimpleNamespace(name="AUDIO", triggers=TRIGGERS)})


class Session:
    """Brings so many notes, and then ends."""

    def __init__(self, draw: Draw) -> None:
        self._draw, self._left = draw, 1 + draw.number(5)

    async def next_note(self) -> tuple[str, Any]:
        self._left -= 1
        if self._left < 0:
            raise NodeError("over")
        draw = self._draw
        changed = draw.changed(draw.pick((BLOCK, log(10, 1, WALLETS[0], WALLETS[1]), moved(11, 2, WALLETS[2]))))
        return draw.pick(("0x1", "0x2", "0x3")), changed if isinstance(changed, dict) else {}

    def take_dropped(self) -> int:
        return self._draw.number(3)


def target(data: bytes) -> None:
    trio.run(_listen, Draw(data))


async def _listen(draw: Draw) -> None:
    view = SimpleNamespace(last_push_at=None, head=HEADER, socket_error=None)
    heads: list[int] = []
    ports = SimpleNamespace(
        config=SimpleNamespace(name="ethereum", stall_secs=60, follow="logs"), view=view, metrics=SimpleNamespace(hints_dropped=Counter()),
        asset_views={"AUDIO": SimpleNamespace(last_event_at=None)}, saw_head=lambda head: heads.append(head.number), timers=Timers(),
    )  # fmt: skip
    watch = PushWatch()
    watch.connected(0)
    socket = Socket(cast(ChainPorts, ports), ASSETS, watch, lambda whole: None)
    session = cast(Any, Session(draw))
    try:
        while True:
            await socket._next(session, {"0x1": "", "0x2": "AUDIO"}, "logs")
    except NodeError as error:
        is_plain(str(error))
    keep(all(0 <= head < 2**63 for head in heads), "a head that no bigint holds")
    waiting = socket._hints.statistics().current_buffer_used
    keep(waiting <= HINTS_AT_ONCE, "more hints than there is room for")
    watch.closed("AUDIO", set())


SEEDS = (b"\x02\x00\x00\x00\x00\x01\x01", b"\x01\x01\x01\x01\x00\x01\x00", b"\x03\x02\x00\x01\x00\x00")
