"""`Retry-After`, in both of its forms: it never pauses an endpoint for longer than is reasonable, nor for a time that is none."""

from __future__ import annotations

import math

from actors.budget.governor import LONGEST_PAUSE_SECS, Governor
from actors.budget.prices import Prices
from actors.errors import Throttled
from actors.evm.endpoint import _retry_after
from actors.evm.pool import Pool
from tests.fuzz.documents import HEADER
from tests.fuzz.draw import Draw
from tests.fuzz.promise import keep

PIECES = (
    "Wed, ", "21 ", "Oct ", "2015 ", "9999 ", "0001 ", "07:28:00 ", "GMT", "+0000", "-9999", "+99999999999999999999", "1", "-", ".", "e", "999", "inf",
    "nan", "_", " ", ",", ":", "Jan", "99999999999999999999", "٣", "\x1b",
)  # fmt: skip


class Nobody:
    """Carries nothing."""

    async def post(self, url: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        raise AssertionError


def target(data: bytes) -> None:
    draw = Draw(data)
    text = "".join(draw.pick(PIECES) for _ in range(draw.number(12))) if draw.flag() else draw.rest().decode("latin-1")
    secs = _retry_after(text)
    keep(secs is None or secs >= 0, f"{secs} s")
    governor = Governor(Prices(), 0, 0, lambda: float(HEADER.number))
    governor.refused(secs)
    keep(0 <= governor.hold().secs <= LONGEST_PAUSE_SECS, "the budget's pause")
    pool = Pool(["http://127.0.0.1:1"], 1, Nobody(), lambda: 0.0)
    pool.failed(pool.endpoints[0], Throttled("slow down", secs))
    keep(math.isfinite(pool.endpoints[0].down_until), "the endpoint's pause")


SEEDS = (b"\x00120", b"\x00Wed, 21 Oct 2015 07:28:00 GMT", b"\x00inf", b"\x01\x07\x00\x01\x02\x17\x06\x07")
