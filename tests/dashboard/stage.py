"""A service as the page sees it: the dashboard's own files, and a status that a test writes. It can freeze, stop, and start again on its port."""

from __future__ import annotations

import http.server
import json
import threading
import time
from typing import Any

from actors import dashboard
from actors.http_server import Request
from actors.sandbox.process import free_port

TOKEN = "open-sesame"
EVERY_SECS = 0.1


def actor(name: str, state: str = "running", restarts: int = 0, last_error: str | None = None) -> dict[str, Any]:
    return {"name": name, "state": state, "restarts": restarts, "last_error": last_error}


def full() -> dict[str, Any]:
    """A status with everything in it that the service can know."""
    days = [{"day": f"2026-01-{day:02}", "calls": day * 10, "units": day * 260} for day in range(1, 32)]
    edges = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, None]
    rows = [12, 40, 160, 800, 3200, 9000, 40000, 180000, 400000, 300000, 60000, 6000, 900, 70, 3, 0]
    age = {
        **{"rows": 1_000_185, "sampled": False, "p50_secs": 480.0, "p90_secs": 1500.0, "p99_secs": 4100.0, "max_secs": 61000.0},
        **{"placeholders": 12, "at": "2026-01-31T12:00:00Z"},
        "histogram": [{"le_secs": edge, "rows": n} for edge, n in zip(edges, rows, strict=True)],
    }
    audit = {
        **{"checked": 50_000, "wrong": 0, "uncheckable": 12, "mended": 0, "wrong_per_million": 0.0, "wrong_per_million_low": 0.0},
        **{"wrong_per_million_high": 73.8, "checkable_share": 0.98, "last_wrong_at": None, "blocked": None},
    }
    asset = {
        **{"name": "TOWN", "chain": "town", "sweeps": True, "checkpoint_block": 21_000_118, "confirmed": 21_000_110},
        **{"last_closed_secs_ago": 5.0, "last_event_at": "2026-01-31T11:59:50.000Z", "tracked_wallets": 1_000_185},
        **{"set_aside": 0, "set_aside_wallets": [], "ticks": 9, "ticks_dropped": 0, "tick_requested": 300, "tick_updated": 300},
        **{"last_tick_at": "2026-01-31T11:59:59.000Z", "age": age, "audit": audit},
        "event_to_row": {"p50_secs": 0.4, "p99_secs": 2.1, "count": 900},
    }
    chain = {
        **{"name": "town", "leads": True, "connected": True, "head": 21_000_120, "head_at": "2026-01-31T11:59:58.000Z", "head_seen_secs_ago": 47.3},
        **{"closed": 21_000_118, "behind": 2, "branch": 0, "last_push_secs_ago": 1.5, "last_error": None, "socket": "up", "socket_error": None},
        "spend_by_day": days,
    }
    budget = {
        **{"name": "town", "prices": "alchemy", "window_secs": 10.0, "window_units": 520, "units_per_sec": 300.0},
        **{"learned_units_per_sec": None, "throttled": 0, "month_units": 128_960, "month_cap": 500_000, "month_secs_left": 43_200, "month_units_by_end": 167_460},
        **{"live_units_a_month": 60_000, "sweep_units_per_sec": 120.0, "sweep_waits_for": None},
    }
    forecast = {
        **{"name": "TOWN", "rows": 1_000_185, "tick_rows": 6000, "tick_every_secs": 30.0, "calls": 167, "units": 4342, "least_secs": 36.2},
        **{"secs": 5000.0, "units_a_month": 2_250_000, "target_age_secs": 7200.0, "meets_target": True, "limited_by": "target_age_secs"},
    }
    names = ("server", "bookkeeper", "writer", "batcher:town", "sweeper:TOWN", "subscriber:town")
    return {
        **{"started_at": "2026-01-31T08:47:00.000Z", "ready": True, "reasons": [], "warnings": [], "chaos_enabled": True},
        **{"rates": {"events_per_sec": 41.2, "rows_per_sec": 388.0}, "postgres": {"ok": True, "error": None}},
        **{"actors": [actor(name) for name in names], "chains": [chain], "assets": [asset], "ledger": []},
        "endpoints": [endpoint("https://eth.example"), endpoint("https://other.example", rung="multicall3")],
        "mailboxes": [{"name": "readings", "live": 3, "sweep": 1}, {"name": "touches:town", "live": 0, "sweep": 12}],
        **{"budgets": [budget], "forecasts": [forecast], "at": "2026-01-31T12:00:00.000Z"},
    }


def endpoint(name: str, up: bool = True, last_error: str | None = None, rung: str = "packed") -> dict[str, Any]:
    about = {"name": name, "chain": "town", "up": up, "head": 21_000_120, "requests": 4711, "failures": 0}
    return {**about, "latency_secs": 0.042, "last_error": last_error, "rung": rung}


class Stage:
    """See the module. `status` is what it says; `asked` the paths that were asked for, `killed` what the page has killed.

    `frozen`: it keeps every line open and says nothing; `frozen_events`: it serves the page alone.
    """

    def __init__(self) -> None:
        self.status = full()
        self.asked: list[str] = []
        self.killed: list[str] = []
        self.sent = 0
        self.frozen = self.frozen_events = False
        self._port = free_port()
        self._server: http.server.ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Answer from now on."""
        self._server = _Server(("127.0.0.1", self._port), _handler(self))
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Nobody listens any more, and what is open ends."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()

    @property
    def lives(self) -> bool:
        return self._server is not None


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True


def _handler(stage: Stage) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if not stage.lives:
                raise ConnectionAbortedError("a line that was left open")
            stage.asked.append(self.path)
            while stage.frozen or (stage.frozen_events and self.path.startswith("/api/")):
                time.sleep(0.02)
            if self.path == "/api/events":
                self._stream()
            elif self.path == "/api/status":
                self._send(200, json.dumps(stage.status).encode(), {"content-type": "application/json"})
            elif self.path in dashboard.FILES:
                found = dashboard.answer(Request("GET", self.path, {}, {}))
                stage.sent += len(found.body)
                self._send(found.status, found.body, {"content-type": found.content_type, **found.headers})
            else:
                self._send(404, b"", {})

        def do_POST(self) -> None:
            if self.headers["authorization"] != f"Bearer {TOKEN}":
                self._send(401, b'{"error": "the bearer token is missing or wrong"}', {})
                return
            stage.killed.append(self.path)
            self._send(202, b"{}", {})

        def _stream(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.send_header("connection", "close")
            self.end_headers()
            while stage.lives:
                if not stage.frozen:
                    self.wfile.write(b"event: status\ndata: " + json.dumps(stage.status).encode() + b"\n\n")
                time.sleep(EVERY_SECS)
            self.close_connection = True

        def _send(self, code: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(code)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                pass  # the browser has left

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
