"""Bodies as hostile nodes send them, through the real client: none is larger in memory than an answer may be."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib

import httpcore
import httpx
import pytest

from actors.errors import BadAnswer
from actors.evm import http
from actors.evm.http import HttpClient

ANSWER = b'{"id": 1}'
MOST = 100_000


async def post(client: HttpClient, body: bytes, *headers: str) -> bytes:
    """What the client makes of an answer with that body."""
    head = "".join(f"{header}\r\n" for header in ("HTTP/1.1 200 OK", f"content-length: {len(body)}", *headers))
    transport = httpx.AsyncHTTPTransport(verify=False)
    transport._pool = httpcore.AsyncConnectionPool(network_backend=httpcore.AsyncMockBackend([head.encode() + b"\r\n" + body]))
    client._client._transport = transport
    return (await client.post("http://node.example/", b"{}"))[2]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> HttpClient:
    monkeypatch.setattr(http, "MOST_BYTES", MOST)
    return HttpClient()


async def test_a_body_may_be_packed(client: HttpClient) -> None:
    assert await post(client, ANSWER) == ANSWER
    assert await post(client, gzip.compress(ANSWER), "Content-Encoding: GZIP") == ANSWER
    assert await post(client, gzip.compress(b"x" * MOST), "content-encoding: gzip") == b"x" * MOST


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"x" * (MOST + 1), "identity"),
        (gzip.compress(b" " * (MOST + 1)), "gzip"),
        (gzip.compress(gzip.compress(b" " * 10**7)), "gzip, gzip"),
        (zlib.compress(ANSWER), "deflate"),
        (ANSWER, "br"),
        (ANSWER, "gzip"),
    ],
    ids=["large", "a bomb", "a bomb packed twice", "deflate, which was not asked for", "another", "no gzip at all"],
)
async def test_a_body_that_is_too_much_or_not_what_it_says_is_a_bad_answer(client: HttpClient, body: bytes, encoding: str) -> None:
    with pytest.raises(BadAnswer):
        await post(client, body, f"content-encoding: {encoding}")


@pytest.mark.parametrize("times", [1, 2])
async def test_a_bomb_is_refused_before_it_fills_the_memory(client: HttpClient, times: int) -> None:
    body = b" " * 50_000_000
    for _ in range(times):
        body = gzip.compress(body)
    tracemalloc.start()
    try:
        with pytest.raises(BadAnswer):
            await post(client, body, f"content-encoding: {', '.join(['gzip'] * times)}")
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


async def test_a_node_that_sets_another_cookie_each_time_fills_no_memory(client: HttpClient) -> None:
    for number in range(3):
        await post(client, ANSWER, *(f"set-cookie: c{number}-{each}=1" for each in range(30)))
        assert len(client._client.cookies.jar) <= http.MOST_COOKIES
