"""The lines for people: each number with its unit, what is not known said as such."""

from __future__ import annotations

import pytest

from actors.doctor.node import shown
from actors.doctor.node.measured import Measured, Pushed
from actors.doctor.node.search import Found

SAID = "eth_getLogs: up to a 2000 block range (-32000)"
LIMITS: dict[str, tuple[Found, str]] = {
    "exact": (Found(2000, 2001, 9, SAID), '2,000 blocks in one eth_getLogs ("up to a 2000 block range (-32000)") [9 calls]'),
    "none": (Found(9000, None, 5), "no limit found up to 9,000 blocks in one eth_getLogs [5 calls]"),
    "a gap": (Found(1000, 2000, 60, stopped="rate limited"), "between 1,000 and 1,999 blocks in one eth_getLogs; rate limited [60 calls]"),
    "nothing": (Found(0, None, 2, stopped="eth_getLogs: status 500"), "not measured; status 500 [2 calls]"),
    "not even one": (Found(0, 1, 3, "eth_getLogs: no"), '0 blocks in one eth_getLogs ("no") [3 calls]'),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_said_with_what_is_known_of_it(name: str) -> None:
    found, line = LIMITS[name]
    assert shown.lines(Measured("node", log_blocks=found))[0] == f"logs      {line}"


def test_an_archive_node_is_called_one() -> None:
    assert "archive: all 100 blocks back are served" in shown.lines(Measured("node", state_blocks=Found(100, None, 4)))[0]
    assert "archive" not in shown.lines(Measured("node", state_blocks=Found(64, None, 4, stopped="rate limited")))[0]


def test_a_socket_says_what_came_and_what_was_due() -> None:
    pushes = Pushed("wss://node", 1, True, 0.8, 2.8, 1, 3, 3)
    assert shown.pushed(pushes) == "wss://node pushes heads, the first after 0.8 s; 3 of the 3 logs of its block were pushed"
    silent = Pushed("wss://node", 1, True, None, 24.0, 2)
    assert shown.pushed(silent) == "wss://node pushed no head within 24.0 s, while 2 blocks came over HTTP"


def test_what_it_cost_is_said() -> None:
    assert shown.lines(Measured("node", calls=61, units=1420, sent_bytes=2**20, secs=4.21))[-1] == (
        "spent     61 calls, 1,420 units, 1.0 MiB out, 0.0 MiB in, 4.2 s"
    )
