"""A node's HTTP as bytes, through the real client: heads, encodings and bodies. There is a status and a bounded body, or a plain error."""

from __future__ import annotations

import gzip
import zlib
from functools import cache

import httpcore
import httpx
import trio

from actors.errors import BadAnswer, Transient
from actors.evm import http
from actors.evm.http import HttpClient
from tests.fuzz.draw import Draw
from tests.fuzz.promise import SECRET, is_plain, keep

MOST = 200_000
BODY = b'{"jsonrpc":"2.0","id":1,"result":"0x1"}'
LINES = (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 999 \xff\r\n", b"HTTP/2 200\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"\r\n", b"HTTP/1.1 204 No\r\n", b"HTTP/1.1 101 S\r\n")
HEADERS = (
    b"content-length: 39\r\n", b"content-length: -1\r\n", b"content-length: 39, 40\r\n", b"content-length: 99999999999999999999\r\n",
    b"transfer-encoding: chunked\r\n", b"content-encoding: gzip\r\n", b"content-encoding: gzip, gzip\r\n", b"content-encoding: deflate\r\n",
    b"content-encoding: br\r\n", b"location: http://[\r\n", b"location: //\xff\r\n", b"set-cookie: a=b; expires=Wed, 99 Foo 99999999999999 0:0:0\r\n",
    b"set-cookie: \xff=\x01; max-age=99999999999999999999999; path=/\r\n", b"content-type: text/html; charset=\xff\r\n", b"retry-after: soon\r\n",
    b"x: " + b"y" * 120_000 + b"\r\n", b"connection: upgrade\r\nupgrade: h2c\r\n", b": \r\n", b"\r\n",
)  # fmt: skip


@cache
def bodies() -> tuple[bytes, ...]:
    """Among them bombs: a few kilobytes that unpack to megabytes, packed twice as well."""
    bomb = gzip.compress(b" " * 4 * MOST)
    return (BODY, gzip.compress(BODY), zlib.compress(BODY), bomb, gzip.compress(bomb), gzip.compress(BODY)[:20], b"5\r\nhello\r\n0\r\n\r\n", b"ffffffffffffffffff\r\n", b"")


def target(data: bytes) -> None:
    draw = Draw(data)
    head = draw.blob(60) if draw.number(15) == 1 else draw.pick(LINES) + b"".join(draw.pick(HEADERS) for _ in range(draw.number(5))) + b"\r\n"
    body = draw.pick(bodies()) if draw.flag() else draw.blob(60)
    parts = [part for part in (head, body) for part in ((part,) if draw.flag() else (part[:9], part[9:]))]
    trio.run(_post, [part for part in parts if part])


@cache
def _client() -> tuple[HttpClient, httpx.AsyncHTTPTransport]:
    """One for all, since each reads the certificates of the authorities."""
    client, transport = HttpClient(), httpx.AsyncHTTPTransport(verify=False)
    client._client._transport = transport
    return client, transport


async def _post(parts: list[bytes]) -> None:
    most, http.MOST_BYTES = http.MOST_BYTES, MOST
    client, transport = _client()
    transport._pool = httpcore.AsyncConnectionPool(network_backend=httpcore.AsyncMockBackend(parts))
    try:
        status, headers, body = await client.post(f"http://node.example/{SECRET}", b"{}")
        keep(100 <= status <= 999 and len(body) <= MOST, f"status {status} and {len(body)} bytes")
        headers.get("retry-after")
    except (Transient, BadAnswer) as error:
        is_plain(str(error))
    finally:
        http.MOST_BYTES = most


SEEDS = (b"\x00\x00\x01\x00\x01\x00\x01\x01", b"\x00\x00\x01\x05\x01\x01\x01\x01", b"\x00\x00\x01\x06\x01\x04\x01\x01", b"\x00\x01\x02\x09\x00\x01\x00\x01\x01")
