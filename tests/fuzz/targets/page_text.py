"""A page of a table's wallets as one text: it passes for wallets alone exactly where each of its rows holds one."""

from __future__ import annotations

import re
from datetime import datetime

from actors.store.pages import Selected, _are_wallets
from tests.fuzz.documents import WALLETS
from tests.fuzz.draw import Draw
from tests.fuzz.promise import keep

WALLET = re.compile(r"0x[0-9a-f]{40}")
ZERO = "0x" + 40 * "0"
GOOD = ["0x" + wallet.hex() for wallet in WALLETS]
BAD = (
    ZERO, GOOD[0].upper(), "0X" + GOOD[0][2:], GOOD[0][:-1], GOOD[0] + "0", GOOD[0][:20] + ",0x" + GOOD[0][23:], "", "0x" * 21, "x0" * 21, "," * 42, GOOD[0][:-1] + "\n",
    "0x" + "é" * 20, GOOD[0][:-2] + "٣", GOOD[0][:-2] + ",x", "0x" + "0" * 38 + "0x", GOOD[0][:40] + "0x", "1" + GOOD[0],
)  # fmt: skip


def target(data: bytes) -> None:
    draw = Draw(data)
    rows = [draw.pick(GOOD) if draw.number(3) else draw.pick(BAD) for _ in range(1 + draw.number(4))]
    if draw.flag():
        rows[0] = str(draw.changed(rows[0]))
    page = Selected(",".join(rows), len(rows), datetime(1970, 1, 1), 1)
    wallets = all(WALLET.fullmatch(row) and row != ZERO for row in rows)
    keep(_are_wallets(page) == wallets, f"{rows} pass for wallets: {not wallets}")


SEEDS = (b"\x01\x01\x01\x02", b"\x02\x01\x00\x00\x05\x00\x06", b"\x00\x01\x00\x01\x02\x03")
