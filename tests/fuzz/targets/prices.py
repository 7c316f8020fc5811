"""The price file."""

from __future__ import annotations

import math

from actors.config import prices
from actors.errors import ConfigError
from tests.fuzz.draw import Draw
from tests.fuzz.promise import is_plain, keep
from tests.fuzz.targets.toml import FILE, toml

DOCUMENT = {"plain": {"default": 1, "window_secs": 1.5, "units_per_window": 300, "methods": {"eth_call": 26}}, "other": {}}


def target(data: bytes) -> None:
    draw = Draw(data)
    changed = draw.changed(DOCUMENT)
    tables = changed.items() if isinstance(changed, dict) else [("x", changed)]
    FILE.write_bytes(draw.rest() if draw.flag() else "".join(f"{toml(name)} = {toml(each)}\n" for name, each in tables).encode())
    try:
        loaded = prices.load(FILE)
    except ConfigError as error:
        is_plain(str(error), 3000)
        return
    for each in loaded.values():
        keep(0 < each.window_secs <= 3600 and math.isfinite(each.total(["eth_call", "eth_x"])), "a price that cannot be reckoned with")


SEEDS = (b"\x00", b"\x01\x01\x00", b"\x00\x01[plain]\ndefault = 2\n")
