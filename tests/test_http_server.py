"""The transport: what a client may do, and that it can hurt nobody but itself."""

from __future__ import annotations

import itertools
from contextlib import suppress

import h11
import pytest
import trio
from trio.testing import (
    MemoryReceiveStream,
    MemorySendStream,
    lockstep_stream_pair,
    memory_stream_pair,
    wait_all_tasks_blocked,
)

from actors.http_bounds import LEAST_SECS, SAVED_SECS
from actors.http_server import HttpServer, Limits, Request, Response, Send

GET = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n"


def echo(request: Request) -> Response:
    """Tells what was asked."""
    return Response(body=f"{request.method} {request.path} {request.query}".encode())


async def endless(send: Send) -> None:
    """A stream that never ends by itself."""
    while True:
        await send(bytes(65536))


def streaming(request: Request) -> Response:
    """Streams for ever."""
    return Response(stream=endless)


async def talk(server: HttpServer, *requests: bytes) -> bytes:
    """Everything that the server sends to a client that sends these bytes and then no more."""
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, theirs)
        for each in requests:
            await ours.send_all(each)
        await ours.send_stream.aclose()
        said = b"".join([each async for each in ours.receive_stream])
    return said


async def test_one_connection_serves_many_requests_one_after_the_other() -> None:
    said = await talk(HttpServer(echo), GET, b"GET /b?q=1&q=2 HTTP/1.1\r\nhost: x\r\n\r\n")
    assert said.count(b"HTTP/1.1 200 OK") == 2
    assert said.endswith(b"GET /b {'q': '2'}")


async def test_requests_in_one_piece_are_all_answered() -> None:
    assert (await talk(HttpServer(echo), GET + GET)).count(b"HTTP/1.1 200 OK") == 2


async def test_head_has_the_headers_of_get_and_no_body() -> None:
    said = await talk(HttpServer(echo), GET.replace(b"GET", b"HEAD"))
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"content-length: 9" in head.lower()
    assert body == b""


async def test_head_of_a_stream_ends() -> None:
    said = await talk(HttpServer(streaming), GET.replace(b"GET", b"HEAD"))
    assert said.startswith(b"HTTP/1.1 200 OK")
    assert said.endswith(b"\r\n\r\n")


async def test_a_client_that_asks_for_close_is_closed() -> None:
    said = await talk(HttpServer(echo), GET.replace(b"host", b"connection: close\r\nhost"), GET)
    assert said.count(b"HTTP/1.1 200 OK") == 1


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET //[ HTTP/1.1\r\nhost: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"a" * 20_000, b"431"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 70000\r\n\r\n" + bytes(70_000), b"413"),
    ],
)
async def test_a_request_that_cannot_be_served_is_refused_and_closed(request_bytes: bytes, status: bytes) -> None:
    said = await talk(HttpServer(echo), request_bytes)
    assert said.split()[1] == status
    assert b"connection: close" in said.lower()


async def test_a_body_is_read_and_dropped() -> None:
    post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello"
    assert (await talk(HttpServer(echo), post + GET)).count(b"HTTP/1.1 200 OK") == 2


async def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    server = HttpServer(echo)
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, theirs)
        await ours.send_all(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        assert (await ours.receive_some()).startswith(b"HTTP/1.1 100")
        await ours.send_all(b"ok")
        assert (await ours.receive_some()).startswith(b"HTTP/1.1 200")
        await ours.aclose()


async def test_a_bug_in_a_route_is_an_answer_and_the_server_lives(caplog: pytest.LogCaptureFixture) -> None:
    def broken(request: Request) -> Response:
        raise ZeroDivisionError("secret inside")

    said = await talk(HttpServer(broken), GET)
    assert said.startswith(b"HTTP/1.1 500")
    assert b"secret" not in said
    assert "GET / failed" in caplog.text


async def test_a_bug_in_a_stream_ends_its_connection_alone(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(send: Send) -> None:
        await send(b"a")
        raise ZeroDivisionError

    server = HttpServer(lambda _: Response(stream=broken))
    assert (await talk(server, GET)).startswith(b"HTTP/1.1 200")
    assert (server.connections, server.streams) == (0, 0)
    assert "a connection failed" in caplog.text


async def test_after_is_called_when_the_answer_was_taken() -> None:
    order: list[str] = []
    server = HttpServer(lambda _: Response(body=b"bye", after=lambda: order.append("after")))
    ours, theirs = lockstep_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, theirs)
        await ours.send_all(GET)
        await wait_all_tasks_blocked()
        assert order == []
        parser = h11.Connection(h11.CLIENT)
        parser.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
        while type(parser.next_event()) is not h11.Data:
            parser.receive_data(bytes(await ours.receive_some()))
        await wait_all_tasks_blocked()
        assert order == ["after"]
        await ours.aclose()


async def test_a_client_that_sends_nothing_is_dropped(autojump_clock: trio.testing.MockClock) -> None:
    _, theirs = memory_stream_pair()
    began = trio.current_time()
    await HttpServer(echo, Limits(idle_secs=30)).serve(theirs)
    assert trio.current_time() - began == pytest.approx(30)


async def test_a_client_that_trickles_its_request_is_dropped(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = memory_stream_pair()
    server = HttpServer(echo, Limits(idle_secs=30))

    async def trickle() -> None:
        with suppress(trio.BrokenResourceError):
            while True:
                await ours.send_all(b"G")
                await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trickle)
        began = trio.current_time()
        await server.serve(theirs)
        assert trio.current_time() - began == pytest.approx(30)
        nursery.cancel_scope.cancel()


async def test_a_client_that_does_not_read_is_dropped(autojump_clock: trio.testing.MockClock) -> None:
    ours, theirs = lockstep_stream_pair()
    server = HttpServer(echo, Limits(send_secs=10))
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ours.send_all, GET)
        await server.serve(theirs)
    assert trio.current_time() - began == pytest.approx(10)


async def test_a_connection_above_the_cap_takes_the_place_of_the_one_that_waits_longest(autojump_clock: trio.testing.MockClock) -> None:
    server = HttpServer(echo, Limits(connections=2))
    ours = []
    async with trio.open_nursery() as nursery:
        for _ in range(2):
            one, theirs = memory_stream_pair()
            ours.append(one)
            nursery.start_soon(server.serve, theirs)
            await trio.sleep(1)
        assert await answered(ours[0])  # from now on it waits less long than the other
        await ours[1].send_all(b"GET")  # a trickle is no progress
        await trio.sleep(1)
        assert (await talk(server, GET)).startswith(b"HTTP/1.1 200")
        with trio.fail_after(1):  # and not only when its time is up
            assert await ours[1].receive_some() == b""
        assert await answered(ours[0])
        await ours[0].aclose()
    assert server.connections == 0


async def answered(client: trio.StapledStream[MemorySendStream, MemoryReceiveStream]) -> bool:
    """Whether a request of it is answered, to the answer's end."""
    await client.send_all(GET)
    said = b""
    while not said.endswith(b"{}"):
        said += await client.receive_some()
    return said.startswith(b"HTTP/1.1 200")


async def test_a_connection_above_a_cap_of_busy_ones_is_closed_at_once_and_leaves_them() -> None:
    quiet = trio.Event()

    async def silent(send: Send) -> None:
        await quiet.wait()

    server = HttpServer(lambda _: Response(stream=silent), Limits(connections=1))
    ours, theirs = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, theirs)
        await ours.send_all(GET)
        assert (await ours.receive_some()).startswith(b"HTTP/1.1 200")
        await wait_all_tasks_blocked()
        assert await talk_above_cap(server) == b""
        quiet.set()
        await ours.aclose()


async def test_answers_take_their_share_of_the_time_and_no_more(autojump_clock: trio.testing.MockClock) -> None:
    costs = itertools.count(0, 0.05)  # each answer takes fifty milliseconds
    server = HttpServer(echo, Limits(share=0.1), clock=lambda: next(costs))
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(talk, server, 4 * GET)
    assert trio.current_time() - began == pytest.approx((40 * 0.05) / 0.1 - 1 - 0.5, abs=0.1)  # a second was saved up; nobody waits after the last


async def test_what_is_not_measured_of_an_answer_counts_as_well(autojump_clock: trio.testing.MockClock) -> None:
    server = HttpServer(echo, clock=lambda: 0.0)
    began = trio.current_time()
    assert (await talk(server, 1000 * GET)).count(b"HTTP/1.1 200") == 1000
    assert trio.current_time() - began == pytest.approx(999 * LEAST_SECS / Limits().share - SAVED_SECS)


async def test_who_sends_no_request_at_all_waits_in_the_same_queue(autojump_clock: trio.testing.MockClock) -> None:
    server = HttpServer(echo, clock=lambda: 0.0)
    began = trio.current_time()
    for _ in range(1000):
        assert (await talk(server, b"garbage\r\n\r\n")).startswith(b"HTTP/1.1 400")
    assert trio.current_time() - began > 3


async def test_who_comes_and_leaves_without_a_word_has_taken_of_the_same_time(autojump_clock: trio.testing.MockClock) -> None:
    server = HttpServer(echo, clock=lambda: 0.0)
    for _ in range(1000):
        assert await talk(server, b"") == b""
    began = trio.current_time()
    assert (await talk(server, GET)).startswith(b"HTTP/1.1 200")
    assert trio.current_time() - began > 3


async def test_a_newcomer_has_a_place_where_all_others_wait_for_their_share(autojump_clock: trio.testing.MockClock) -> None:
    server = HttpServer(echo, Limits(connections=3), clock=lambda: 0.0)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(talk, server, 1000 * GET)
        await trio.sleep(1)
        assert (await talk(server, GET)).startswith(b"HTTP/1.1 200")


async def test_a_client_that_does_not_read_makes_room_for_one_that_does(autojump_clock: trio.testing.MockClock) -> None:
    server = HttpServer(echo, Limits(connections=1))
    ours, theirs = lockstep_stream_pair()
    with trio.fail_after(1):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.serve, theirs)
            await ours.send_all(GET)
            await wait_all_tasks_blocked()
            assert (await talk(server, GET)).startswith(b"HTTP/1.1 200")


async def talk_above_cap(server: HttpServer) -> bytes:
    """What a client gets whose connection is closed at once."""
    ours, theirs = memory_stream_pair()
    await server.serve(theirs)
    return bytes(await ours.receive_some())


async def test_streams_above_their_cap_are_refused_and_plain_requests_are_not() -> None:
    def route(request: Request) -> Response:
        return streaming(request) if request.path == "/stream" else echo(request)

    server = HttpServer(route, Limits(streams=1))
    ours, theirs = lockstep_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, theirs)
        await ours.send_all(GET.replace(b"/ ", b"/stream "))
        await ours.receive_some()
        await wait_all_tasks_blocked()
        assert (await talk(server, GET.replace(b"/ ", b"/stream "))).startswith(b"HTTP/1.1 503")
        assert (await talk(server, GET)).startswith(b"HTTP/1.1 200")
        nursery.cancel_scope.cancel()
    assert server.streams == 0


async def test_a_stalled_client_of_a_stream_does_not_hold_up_a_cancel() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server = HttpServer(streaming)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, server.serve, listeners)
        client = await trio.open_tcp_stream(*listeners[0].socket.getsockname()[:2])
        async with client, listeners[0]:
            await client.send_all(GET)
            while not server.streams:
                await trio.lowlevel.checkpoint()
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
    assert (server.connections, server.streams) == (0, 0)
