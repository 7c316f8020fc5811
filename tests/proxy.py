"""A provider that misbehaves: a proxy between the program and real anvils, over HTTP and WebSocket.

Faults (see `proxy_faults.py`) are switched on and off while the service runs, and count how often they struck. Each call of a batch is
asked of a node by itself, so that one batch can be split over two nodes, as a load balancer does.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import httpx
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection, open_websocket_url, wrap_server_stream

from actors.sandbox.anvil import Anvil

F = TypeVar("F", bound="Fault")
Answer = dict[str, Any]
SUBSCRIPTIONS = ("eth_subscribe", "eth_unsubscribe")
HALF_A_FRAME = b'\x81\x7e\x01\x00{"jsonrpc":"2.0","meth'  # a text of 256 bytes is announced


@dataclass(frozen=True)
class Call:
    """One question, and which node it goes to."""

    method: str
    params: Sequence[Any] = ()
    node: int = 0


@dataclass(frozen=True)
class Response:
    """An HTTP response."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


Ask = Callable[[Call], Awaitable[Answer]]
Post = Callable[[bytes], Awaitable[Response]]
Say = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(eq=False)
class Fault:
    """One way to misbehave. `methods`: the only ones that it strikes; `times`: how often it does before it is over."""

    methods: Collection[str] | None = field(default=None, kw_only=True)
    times: int | None = field(default=None, kw_only=True)
    struck: int = field(default=0, init=False)

    def strike(self) -> None:
        """Count."""
        self.struck += 1

    def strikes(self, methods: Collection[str]) -> bool:
        """Whether it has to do with a question for any of these."""
        over = self.times is not None and self.struck >= self.times
        return not over and (self.methods is None or any(method in self.methods for method in methods))

    def begin(self, proxy: Proxy) -> None:
        """It is switched on."""

    def end(self, proxy: Proxy) -> None:
        """It is switched off."""

    async def on_request(self, body: bytes, post: Post) -> Response:
        """A whole HTTP request; `post` is what goes on without this fault."""
        return await post(body)

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        """One call, over HTTP or a socket."""
        return await ask(call)

    async def on_note(self, note: dict[str, Any], say: Say) -> None:
        """One notification: `say` passes it on."""
        await say(note)


class Socket:
    """One client's WebSocket. A socket that is `muted` answers pings and says nothing else."""

    def __init__(self, client: WebSocketConnection, stream: trio.abc.Stream) -> None:
        self._client, self._stream = client, stream
        self.muted: Fault | None = None

    async def say(self, message: dict[str, Any]) -> None:
        """Send a message."""
        if self.muted is not None:
            self.muted.strike()
            return
        await self._client.send_message(json.dumps(message))

    async def hear(self) -> Any:
        """The next message."""
        return json.loads(await self._client.get_message())

    async def cut(self) -> None:
        """End it in the middle of a message."""
        await self._stream.send_all(HALF_A_FRAME)
        await self._stream.aclose()


class Proxy:
    """See the module. `asked` counts calls by method, `connections` the sockets that were opened."""

    def __init__(self, nodes: Sequence[Anvil], client: httpx.AsyncClient) -> None:
        self.nodes = nodes
        self.faults: list[Fault] = []
        self.asked: Counter[str] = Counter()
        self.sockets: list[Socket] = []
        self.connections = 0
        self.http = self.ws = ""
        self._client, self._ids = client, itertools.count(1)

    @contextmanager
    def fault(self, fault: F) -> Iterator[F]:
        """Misbehave so inside the block."""
        self.add(fault)
        try:
            yield fault
        finally:
            self.remove(fault)

    def add(self, fault: Fault) -> None:
        """Switch a fault on."""
        self.faults.append(fault)
        fault.begin(self)

    def remove(self, fault: Fault) -> None:
        """Switch it off."""
        self.faults.remove(fault)
        fault.end(self)

    def requests(self) -> int:
        """How many calls there were."""
        return self.asked.total()

    async def cut(self) -> None:
        """Cut all sockets in the middle of a message."""
        for socket in list(self.sockets):
            await socket.cut()

    # --- Calls

    async def ask(self, call: Call) -> Answer:
        """A call through all faults."""
        self.asked[call.method] += 1
        return await self._through(self.faults, call)

    async def _through(self, faults: Sequence[Fault], call: Call) -> Answer:
        striking = [fault for fault in faults if fault.strikes((call.method,))]
        if not striking:
            return await self.forward(call)
        return await striking[0].on_call(call, partial(self._through, striking[1:]))

    async def forward(self, call: Call) -> Answer:
        """A call straight to its node; the answer without its id."""
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": call.method, "params": list(call.params)}
        answer: Answer = (await self._client.post(self.nodes[call.node].http, json=body)).json()
        return {key: answer[key] for key in ("result", "error") if key in answer}

    async def _answer(self, item: dict[str, Any], node: int = 0) -> Answer:
        answer = await self.ask(Call(item["method"], item.get("params", ()), node))
        return {"jsonrpc": "2.0", "id": item["id"], **answer}

    # --- HTTP

    async def _post(self, faults: Sequence[Fault], body: bytes) -> Response:
        """A request through all faults."""
        asked = json.loads(body)
        items = asked if isinstance(asked, list) else [asked]
        methods = [item["method"] for item in items]
        striking = [fault for fault in faults if fault.strikes(methods)]
        if striking:
            return await striking[0].on_request(body, partial(self._post, striking[1:]))
        answers = [await self._answer(item) for item in items]
        return Response(json.dumps(answers if isinstance(asked, list) else answers[0]).encode())

    async def serve_http(self, stream: trio.SocketStream) -> None:
        """One connection, kept alive."""
        try:
            await self._serve_http(stream)
        except (trio.BrokenResourceError, trio.ClosedResourceError, httpx.HTTPError):
            pass  # either side has hung up: so does the proxy
        finally:
            await trio.aclose_forcefully(stream)

    async def _serve_http(self, stream: trio.SocketStream) -> None:
        got = b""
        while True:
            while b"\r\n\r\n" not in got:
                if not (part := await stream.receive_some()):
                    return
                got += part
            head, _, got = got.partition(b"\r\n\r\n")
            if not head.startswith(b"POST"):  # such as a WebSocket's handshake, which belongs to the other port
                await stream.send_all(_http(Response(b"", 405)))
                continue
            length = _length(head)
            while len(got) < length:
                if not (part := await stream.receive_some()):
                    return
                got += part
            await stream.send_all(_http(await self._post(self.faults, got[:length])))
            got = got[length:]

    # --- WebSocket

    async def serve_ws(self, stream: trio.SocketStream) -> None:
        """One socket, with one of its own to the first node for what that pushes."""
        try:
            async with trio.open_nursery() as nursery:
                request = await wrap_server_stream(nursery, stream, max_message_size=2**25)
                client = await request.accept()
                await self._join(Socket(client, stream))
        except* (ConnectionClosed, HandshakeError, trio.BrokenResourceError, trio.ClosedResourceError, httpx.HTTPError):
            pass  # either side has hung up: so does the proxy
        finally:
            await trio.aclose_forcefully(stream)

    async def _join(self, socket: Socket) -> None:
        """Until either side hangs up, which is raised."""
        upstream = open_websocket_url(self.nodes[0].ws, max_message_size=2**25, disconnect_timeout=1)
        async with upstream as node, trio.open_nursery() as nursery:
            self.sockets.append(socket)
            self.connections += 1
            nursery.start_soon(self._pass_notes, node, socket)
            try:
                await self._hear(socket, node)
            finally:
                self.sockets.remove(socket)

    async def _hear(self, socket: Socket, node: WebSocketConnection) -> None:
        while True:
            message = await socket.hear()
            if message["method"] in SUBSCRIPTIONS:
                await node.send_message(json.dumps(message))
            else:
                await socket.say(await self._answer(message))

    async def _pass_notes(self, node: WebSocketConnection, socket: Socket) -> None:
        while True:
            message = json.loads(await node.get_message())
            if "id" in message:
                await socket.say(message)
            else:
                await self._note(self.faults, socket.say, message)

    async def _note(self, faults: Sequence[Fault], say: Say, note: dict[str, Any]) -> None:
        striking = [fault for fault in faults if fault.strikes(("eth_subscription",))]
        if not striking:
            return await say(note)
        await striking[0].on_note(note, partial(self._note, striking[1:], say))


def _length(head: bytes) -> int:
    lines = [line.partition(b":") for line in head.split(b"\r\n")]
    return next((int(value) for name, _, value in lines if name.lower() == b"content-length"), 0)


def _http(response: Response) -> bytes:
    headers = [f"HTTP/1.1 {response.status} As It Is", f"content-length: {len(response.body)}", *map(": ".join, response.headers)]
    return "\r\n".join([*headers, "", ""]).encode() + response.body


@asynccontextmanager
async def open_proxy(*nodes: Anvil) -> AsyncIterator[Proxy]:
    """A proxy in front of one or more nodes; all goes to the first one, but for what a fault sends elsewhere."""
    async with httpx.AsyncClient(timeout=60) as client:
        proxy = Proxy(nodes, client)
        async with trio.open_nursery() as nursery:
            ports = []
            for serve in (proxy.serve_http, proxy.serve_ws):
                listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
                ports.append(listeners[0].socket.getsockname()[1])
                await nursery.start(trio.serve_listeners, serve, listeners)
            proxy.http, proxy.ws = f"http://127.0.0.1:{ports[0]}", f"ws://127.0.0.1:{ports[1]}"
            yield proxy
            nursery.cancel_scope.cancel()
