"""The server: health, readiness, metrics and status over HTTP, and the one way to kill an actor from outside.

It reads the view and writes nothing; `kill` is its only effect, behind `[chaos] enabled` and a bearer token.
Every text that may hold an error passes `mask`. Only names of this machine and of `server.hosts` are served, so that no
web page can reach it through a name of its own.
"""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import unquote

import trio

from actors import dashboard, health
from actors.bearer import Bearer
from actors.errors import ConfigError
from actors.host_names import HostNames
from actors.http_server import HttpServer, Limits, Request, Response, Send
from actors.log import get_logger
from actors.metrics import CONTENT_TYPE, Metrics
from actors.moments import iso
from actors.rates import Rates
from actors.secrets import mask
from actors.view import ServiceView

NAME = "server"  # its own name among the actors
STREAM_EVERY_SECS = 1.0
SEND_BUFFER_BYTES = 128 * 1024  # what the kernel keeps for a client that does not read
READ = ("GET", "HEAD")
KILL_PREFIX, KILL_SUFFIX = "/api/actors/", "/kill"
log = get_logger("server")
INDEX = """trueup keeps tables of EVM wallet balances in Postgres true.

/               the dashboard, for whoever accepts text/html
/healthz        the process is alive
/readyz         it is doing its job, and if not why
/eth/health     the first asset's health; ?asset=NAME, ?max_event_lag_secs=600
/metrics        for Prometheus
/api/status     everything, as JSON
/api/events     the same every second, as server-sent events
POST /api/actors/NAME/kill   only with [chaos] enabled and its bearer token
"""


class Binding(Protocol):
    """`[server]` of the config: host and port to listen on, None where it is turned off; and the names that are answered beside our own."""

    @property
    def bind(self) -> str: ...
    @property
    def address(self) -> tuple[str, int] | None: ...
    @property
    def hosts(self) -> tuple[str, ...]: ...


class Chaos(Protocol):
    """`[chaos]` of the config."""

    @property
    def enabled(self) -> bool: ...
    @property
    def token(self) -> str: ...


async def run(
    config: Binding,
    chaos: Chaos,
    view: ServiceView,
    metrics: Metrics,
    kill: Callable[[str], bool],
    *,
    limits: Limits | None = None,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; `started` gets the URL. ConfigError where the address cannot be listened on."""
    if config.address is None:
        raise ConfigError('server.bind: expected host:port, got "" (the server is turned off)')
    host, port = config.address
    metrics.expect(view.chains, view.assets)
    server = HttpServer(Routes(HostNames(host, config.hosts), chaos, view, metrics, kill), limits)
    async with AsyncExitStack() as stack:
        listeners = await _listen(config.bind, host, port)
        for listener in listeners:
            stack.push_async_callback(listener.aclose)
        nursery = await stack.enter_async_context(trio.open_nursery())
        nursery.start_soon(_sample, view, metrics)
        task_status.started(_url(host, listeners[0]))
        await trio.serve_listeners(server.serve, listeners)


async def _sample(view: ServiceView, metrics: Metrics) -> None:
    """What is shown as a rate, whether or not somebody looks on."""

    def read() -> dict[str, float]:
        return {"events": sum(asset.events for asset in view.assets.values()), "rows": metrics.all_rows_written()}

    rates = Rates(read)
    view.rates = rates.shown
    while True:
        rates.sample(trio.current_time())
        await trio.sleep(STREAM_EVERY_SECS)


async def _listen(bind: str, host: str, port: int) -> list[trio.SocketListener]:
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except (OSError, UnicodeError) as error:  # a host that is no name: `a..b`
        why = error.strerror if isinstance(error, OSError) else "no host has that name"
        raise ConfigError(f"server.bind: cannot listen on {bind}: {why or error}") from error
    for listener in listeners:
        listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
    return listeners


def _url(host: str, listener: trio.SocketListener) -> str:
    """Where a client on this machine reaches it."""
    port = listener.socket.getsockname()[1]
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{local}]:{port}" if ":" in local else f"http://{local}:{port}"


@dataclass
class Routes:
    """Which path answers what."""

    hosts: HostNames
    chaos: Chaos
    view: ServiceView
    metrics: Metrics
    kill: Callable[[str], bool]
    event: tuple[float, bytes] = field(default=(float("-inf"), b""), init=False)  # when it was made, and the newest one

    def __post_init__(self) -> None:
        self.bearer = Bearer(self.chaos.token)

    def __call__(self, request: Request) -> Response:
        """The answer to one request."""
        if not self.hosts.knows(request.headers.get("host")):
            return _error(421, "this host name is not served here: server.hosts has those that are")
        routes: dict[str, Callable[[Request], Response]] = {
            "/": _root,
            **dict.fromkeys(dashboard.PATHS, dashboard.answer),
            "/healthz": lambda _: Response(body=b"ok\n"),
            "/readyz": self._ready,
            "/eth/health": self._eth_health,
            "/metrics": self._metrics,
            "/api/status": lambda _: _json(200, self._status()),
            "/api/events": lambda _: Response(content_type="text/event-stream", stream=self._events),
        }
        route = routes.get(request.path)
        if route is not None:
            return route(request) if request.method in READ else _not_allowed(READ)
        name = _killed_name(request.path)
        if name is None or not self.chaos.enabled:
            return _error(404, "there is no such path")
        return self._kill(name, request) if request.method == "POST" else _not_allowed(("POST",))

    def _ready(self, _: Request) -> Response:
        ready, reasons = health.readiness(self.view, trio.current_time())
        return _json(200 if ready else 503, {"ready": ready, "reasons": reasons})

    def _eth_health(self, request: Request) -> Response:
        lag = _seconds(request.query.get("max_event_lag_secs"))
        if lag is None:
            return _error(400, "max_event_lag_secs: expected a number of seconds")
        asset = request.query.get("asset")
        if asset is not None and asset not in self.view.assets:
            return _error(404, "there is no such asset")
        return _json(*health.eth_health(self.view, lag, trio.current_time(), datetime.now(UTC), asset))

    def _metrics(self, _: Request) -> Response:
        self.metrics.observe(self.view, trio.current_time())
        return Response(body=self.metrics.render(), content_type=CONTENT_TYPE)

    def _status(self) -> dict[str, Any]:
        return {**health.status(self.view, trio.current_time()), "at": iso(datetime.now(UTC))}

    async def _events(self, send: Send) -> None:
        while True:
            await send(self._newest_event())
            await trio.sleep(STREAM_EVERY_SECS)

    def _newest_event(self) -> bytes:
        """One for all streams: to make it is what costs."""
        now = trio.current_time()
        if now - self.event[0] >= STREAM_EVERY_SECS / 2:
            self.event = now, b"event: status\ndata: " + _dump(self._status()) + b"\n\n"
        return self.event[1]

    def _kill(self, name: str, request: Request) -> Response:
        if wait := self.bearer.wait_secs(now := trio.current_time()):
            return _error(429, f"too many wrong tokens, try again in {wait} s", {"retry-after": str(wait)})
        if not self.bearer.is_right(request.headers.get("authorization", ""), now):
            log.warning("a kill was refused: the token is missing or wrong", actor_to_kill=name)
            return _error(401, "the bearer token is missing or wrong", {"www-authenticate": "Bearer"})
        if name == NAME:  # its own death would take the answer with it
            return Response(202, _dump({"killed": name}), "application/json", after=lambda: self.kill(name))
        return _json(202, {"killed": name}) if self.kill(name) else _error(404, "there is no such actor")


def _root(request: Request) -> Response:
    return dashboard.answer(request) if "text/html" in request.headers.get("accept", "") else Response(body=INDEX.encode())


def _killed_name(path: str) -> str | None:
    if not path.startswith(KILL_PREFIX) or not path.endswith(KILL_SUFFIX):
        return None
    name = path[len(KILL_PREFIX) : -len(KILL_SUFFIX)]
    return unquote(name) if name and "/" not in name else None


def _seconds(text: str | None) -> float | None:
    try:
        value = health.MAX_EVENT_LAG_SECS if text is None else float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _error(status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    return _json(status, {"error": reason}, headers)


def _not_allowed(methods: tuple[str, ...]) -> Response:
    return _error(405, f"expected {' or '.join(methods)}", {"allow": ", ".join(methods)})


def _json(status: int, value: object, headers: dict[str, str] | None = None) -> Response:
    return Response(status, _dump(value) + b"\n", "application/json", headers or {})


def _dump(value: object) -> bytes:
    return json.dumps(_masked(value), separators=(",", ":")).encode()


def _masked(value: object) -> object:
    """Text by text: masking the whole JSON could break it."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: _masked(each) for key, each in value.items()}
    return [_masked(each) for each in value] if isinstance(value, (list, tuple)) else value
