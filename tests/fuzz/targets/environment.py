"""What the environment says: overrides, and `${NAME}` in texts."""

from __future__ import annotations

from tests.fuzz.draw import Draw
from tests.fuzz.targets.toml import load

TEXT = """
database.url = "${DATABASE_URL}"
chain = [{ name = "ethereum", chain_id = 1, http = ["${HTTP}", "https://${HOST}/x"] }]
asset = [{ name = "A", chain = "ethereum", table = "t", checkpoint = "${MARK}", sources = [{ native = true }] }]
chaos = { enabled = false, token = "${TOKEN}" }
budget = { prices_file = "" }
"""
NAMES = (
    "DATABASE_URL", "HTTP", "HOST", "MARK", "TOKEN", "TRUEUP_CHAIN__ETHEREUM__FOLLOW", "TRUEUP_CHAIN__ETHEREUM__CHAIN_ID",
    "TRUEUP_CHAIN__ETHEREUM__HTTP", "TRUEUP_SWEEPER__BATCH_SIZE", "TRUEUP_SWEEPER__INTERVAL_SECS", "TRUEUP_CHAOS__ENABLED",
    "TRUEUP_CHAOS__TOKEN", "TRUEUP_ASSET__A__TRACK", "TRUEUP_ASSET__A__SOURCES", "TRUEUP_BUDGET__PRICES_FILE", "TRUEUP_SERVER__BIND",
    "TRUEUP_DATABASE__URL", "TRUEUP_CHAIN__ETHEREUM__MULTICALL3",
)  # fmt: skip
GOOD = {"DATABASE_URL": "postgresql://u:hunter2hunter2@h/d", "HTTP": "https://node.example/hunter2hunter2", "HOST": "other.example", "MARK": "m"}
VALUES = ("1", "-1", "heads", "true", "0.5", "/dev/null", "postgresql://u:hunter2hunter2@[h/d", "wss://x/hunter2hunter2", "select 1", "a,b", "${HOST}", "${", "9" * 5000)


def target(data: bytes) -> None:
    draw, env = Draw(data), dict(GOOD)
    for _ in range(draw.number(4)):
        name = draw.pick(NAMES) if draw.number(7) else "TRUEUP_" + draw.text().replace("\0", "").replace("=", "")
        env[name] = value(draw)
    load(TEXT.encode(), env)


def value(draw: Draw) -> str:
    """What a variable may hold: no NUL, but bytes that are no UTF-8."""
    raw = draw.pick(VALUES).encode() if draw.flag() else draw.blob(40)
    return raw.replace(b"\0", b"").decode("utf-8", "surrogateescape")


SEEDS = (b"\x00", b"\x01\x01\x00\x01\x06", b"\x02\x01\x05\x00\x04abcd\x01\x0e\x00\x03/a/")
