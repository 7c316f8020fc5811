"""Secrets: whatever one is and wherever it stands, it is not in what is shown."""

from __future__ import annotations

from urllib.parse import quote

from actors import secrets
from tests.fuzz.draw import Draw
from tests.fuzz.promise import keep

LEAST = 8  # shorter ones are masked where they stand alone
PIECES = ("/", ":", "@", "?", "#", "=", "&", "%", "%2F", "[", "é", "\\", '"', "'", "\n", "a", "B", "7", "key", "***", "\udcff", " ")


def target(data: bytes) -> None:
    secrets.clear()
    draw = Draw(data)
    key = "".join(draw.pick(PIECES) for _ in range(draw.number(6))) + "S3cr3tK3y" + draw.pick(PIECES)
    kind = draw.number(3)
    if kind == 0:
        secrets.register(key)
    elif kind == 1:
        secrets.register_url(f"https://node.example/v3/{quote(key, safe='', errors='surrogateescape')}?k={draw.text()}")
    elif kind == 2:
        secrets.register_url(f"wss://user:{key}@node.example/x")
    else:
        secrets.register_database(f"postgresql://user:{key}@host/db" if draw.flag() else f"host=h password='{draw.pick(('a', 'b'))}S3cr3tK3y'")
    before, behind = draw.text(), draw.text()
    for form in (key, quote(key, safe="", errors="surrogateescape"), f"https://user:{key}@host/x"):
        said = secrets.mask(before + form + behind) if kind == 0 else secrets.mask(form)
        keep(kind != 0 or key not in said, f"{key!r} is in {said!r}")
        keep(secrets.mask(said) == said or kind, f"masked again, {said!r} is {secrets.mask(said)!r}")


SEEDS = (b"\x00\x00", b"\x02\x04\x05\x00\x01", b"\x01\x14\x00\x02", b"\x00\x00\x03\x01")
