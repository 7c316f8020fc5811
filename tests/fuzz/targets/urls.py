"""What the config and the ledger's tables may name: URLs, a DSN, an address to listen on, names. What is accepted must serve its purpose."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from trio_websocket import open_websocket_url

from actors import secrets
from actors.config import checks
from actors.config.checks import Unexpected
from actors.evm.endpoint import public_name
from actors.store.names import table
from tests.fuzz.draw import Draw
from tests.fuzz.promise import SECRET, is_plain, keep

PIECES = (
    "http", "https", "ws", "wss", "postgresql", "://", ":", "/", "@", "?", "#", "[", "]", "[::1]", "127.0.0.1", "node.example", "..", "%", "%00", "\0",
    " ", "\t", "\n", "é", "☃", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), ":80", ":99999", ":x", "=", "&", "password=", "host=",
    "a" * 64, ".", "-", "\\", "'", '"', "\u2100", "user", "select ", "public.", "0x" + "aB" * 20,
)  # fmt: skip
CHECKS: tuple[Callable[[str], Any], ...] = (
    checks.http_url, checks.ws_url, checks.database_url, checks.bind, checks.table, checks.lookup, checks.track, checks.address, checks.name,
    checks.words, checks.token,
)  # fmt: skip


def target(data: bytes) -> None:
    secrets.clear()
    draw = Draw(data)
    check = draw.pick(CHECKS)
    begin = draw.pick(("", "https://", "wss://", "postgresql://", f"https://user:{SECRET}@", f"postgresql://u:{SECRET}@", f"host=h password={SECRET} "))
    text = begin + ("".join(draw.pick(PIECES) for _ in range(draw.number(12))) if draw.flag() else draw.rest().decode("utf-8", "replace"))
    try:
        found = check(text)
    except Unexpected as error:
        if check in (checks.http_url, checks.ws_url, checks.database_url, checks.token):
            keep(SECRET not in f"{error.expected} {error.got}", "the refusal tells a secret")
        return
    serves(check, found)


def serves(check: Callable[[str], Any], found: Any) -> None:
    """What was accepted is good for what it is for."""
    if check in (checks.http_url, checks.ws_url):
        is_plain(public_name(found), 5000)
        is_plain(secrets.show_url(found), 5000)
    if check is checks.http_url:
        httpx.Request("POST", found)
    elif check is checks.ws_url:
        open_websocket_url(found)
    elif check is checks.database_url:
        keep("\0" not in found, "Postgres has no NUL")
        keep(SECRET not in secrets.show_database(found), "the URL that is shown has a password")
    elif check is checks.bind and found:
        keep(0 <= checks.split_bind(found)[1] < 65536, "a port")
    elif check in (checks.table, checks.lookup):
        table(found).as_string()
    elif check is checks.track:
        keep("\0" not in found, "Postgres has no NUL")




SEEDS = (b"\x00\x01\x00\x00node.example/v3/key", b"\x01\x02\x00\x00[::1]:8545", b"\x02\x05\x00\x00[h/d", b"\x01\x02\x01\x04\x05\x10\x10\x05", b"\x06\x00\x00select 1\x00")
