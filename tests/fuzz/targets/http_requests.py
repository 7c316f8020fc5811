"""Requests to the service as bytes: each gets a well-formed answer or the end of its connection, and nobody is killed without the token."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from types import SimpleNamespace

import h11
import trio
import trio.testing

from actors import secrets
from actors.host_names import HostNames
from actors.http_server import HttpServer, Limits
from actors.metrics import Metrics
from actors.server import Routes
from tests.fuzz.draw import Draw
from tests.fuzz.promise import SECRET, keep
from tests.views import healthy

METHODS = (b"GET", b"HEAD", b"POST", b"CONNECT", b"OPTIONS", b"get", b"\xff")
TARGETS = (
    b"/healthz", b"/readyz", b"/eth/health?max_event_lag_secs=600", b"/eth/health?max_event_lag_secs=", b"/eth/health?asset=AUDIO", b"/metrics",
    b"/api/status", b"/", b"/dashboard/app.js", b"/api/actors/writer/kill", b"/api/actors/%ff/kill", b"/api/actors/a%2fb/kill", b"*", b"//[", b"http://[::1/",
    b"/eth/health?asset=", b"/api/actors//kill", b"/../healthz", b"/healthz#x",
)  # fmt: skip
VALUES = (b"1", b"-1", b"nan", b"inf", b"1e400", b"1e308", b"%00", b"%ff", b"&&", b"=", b"AUDIO", b"1_0", b"\xc2\xb2", b"%C2%B2")
HEADERS = (
    b"host: 127.0.0.1:1325\r\n", b"host: evil.example\r\n", b"host: [\r\n", b"host: \xff\r\n", b"content-length: 5\r\n", b"content-length: -1\r\n",
    b"transfer-encoding: chunked\r\n", b"expect: 100-continue\r\n", b"connection: close\r\n", b"authorization: Bearer wrong\r\n",
    b"authorization: Bearer \xff\xfe\r\n", b"accept: text/html\r\n", b"x: " + b"y" * 20_000 + b"\r\n", b"upgrade: websocket\r\nconnection: upgrade\r\n",
    b"if-none-match: \xff\r\n", b" folded\r\n", b"a\r\n", b"x:\x00\r\n",
)  # fmt: skip
LIMITS = Limits(idle_secs=5, header_bytes=16 * 1024, body_bytes=1024)
VERSIONS = (b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", b" HTTP/9.9\r\n", b"\r\n")


class Faults(logging.Handler):
    """Whatever the server logs as its own failure."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)  # a kill that is refused is a warning
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(f"{record.getMessage()}: {record.exc_info and record.exc_info[1]!r}")


FAULTS = Faults()
logging.getLogger("trueup.server").addHandler(FAULTS)
logging.getLogger("trueup.server").propagate = False
METRICS = Metrics()


def request(draw: Draw) -> bytes:
    """A request, or something like one."""
    if draw.number(15) == 1:
        return draw.blob(60)
    where = draw.pick(TARGETS) + (draw.pick(VALUES) if draw.flag() else b"")
    heads = b"".join(draw.pick(HEADERS) for _ in range(draw.number(4)))
    body = draw.blob(20) if draw.flag() else draw.pick((b"", b"5\r\nhello\r\n0\r\n\r\n", b"hello", b"x" * 3000))
    return draw.pick(METHODS) + b" " + where + draw.pick(VERSIONS) + HEADERS[0] * draw.number(1) + heads + b"\r\n" + body


def target(data: bytes) -> None:
    secrets.clear()
    FAULTS.said.clear()
    trio.run(_talk, Draw(data), clock=trio.testing.MockClock(autojump_threshold=0))


async def _talk(draw: Draw) -> None:
    killed: list[str] = []

    def kill(name: str) -> bool:
        killed.append(name)
        return True

    view = healthy(now=trio.current_time())
    routes = Routes(HostNames("127.0.0.1"), SimpleNamespace(enabled=draw.flag(), token=SECRET), view, METRICS, kill)
    server, sent = HttpServer(routes, LIMITS), b"".join(request(draw) for _ in range(1 + draw.number(2)))
    ours, theirs = trio.testing.memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, theirs)
        size = draw.pick((100_000, 1000, 200)) if len(sent) > 1000 else 1 + draw.number(1000)
        with suppress(trio.BrokenResourceError):  # the server has left already
            for at in range(0, len(sent), size):
                await ours.send_all(sent[at : at + size])
        await ours.send_stream.aclose()
        said = b"".join([bytes(part) async for part in ours.receive_stream])
    keep(not FAULTS.said, f"the server failed: {FAULTS.said}")
    keep(not killed, "an actor was killed without the token")
    keep(server.connections == 0, "a connection is still counted")
    are_answers(said)


def are_answers(said: bytes) -> None:
    """Each is one by the protocol's own rules, and what says that it is JSON is."""
    keep(SECRET.encode() not in said and b"Traceback" not in said, "an answer tells too much")
    for each in said.split(b"HTTP/1.1 ")[1:]:
        status, _, rest = each.partition(b"\r\n")
        if status.startswith(b"100"):  # which has no head
            continue
        keep(status[:3].isdigit(), f"a status line of {status!r}")
        head, divider, body = rest.partition(b"\r\n\r\n")
        keep(divider, "a head without an end")
        if b"application/json" in head and body.strip():
            json.loads(body, parse_constant=_no_json)
    if said:
        client = h11.Connection(h11.CLIENT)
        client.receive_data(said)


def _no_json(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


SEEDS = (b"\x00\x00\x00\x00\x00\x00\x00\x00\x00", b"\x01\x01\x00\x09\x00\x01\x09\x00\x00\x02\x00\x01", b"\x00\x02\x00\x03\x01\x04\x00\x01\x00\x00\x01", b"\x00\x00\x00\x05\x00\x00\x00\x00")
