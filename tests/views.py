"""A view of a service that does its job: each test breaks one thing in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from actors.evm.block import Header
from actors.view import AssetView, ChainView, ServiceView

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
NOW = 1000.0


@dataclass
class FakeEndpoint:
    """An endpoint's facts."""

    name: str = "https://node.example"
    chain_ok: bool | None = True
    down_until: float = 0.0
    failures: int = 0
    last_error: str | None = None
    last_head: int | None = 120
    latency_secs: float | None = 0.05
    requests: int = 7
    rungs: tuple[str, ...] = ("packed", "single")
    answered_at: float = 0.0
    failed_at: float = -1.0


def header(number: int) -> Header:
    """A header of that number."""
    return Header(number, bytes(32), bytes(32), 0, bytes(32))


def actor(name: str, state: str = "running", last_error: str | None = None) -> dict[str, Any]:
    """One actor as the system describes it."""
    return {"name": name, "state": state, "restarts": 0, "last_error": last_error}


def healthy(endpoint: FakeEndpoint | None = None, now: float = NOW, at: datetime = AT) -> ServiceView:
    """One chain with a socket and one asset that follows it; its last event is 10 s old."""
    chain = ChainView("ethereum", rpc_configured=True, ws_configured=True, connected=True, head=header(120))
    shown = endpoint or FakeEndpoint()
    chain.endpoints = lambda: [shown]
    asset = AssetView("AUDIO", "ethereum", checkpoint_block=118, confirmed=110, last_closed_at=now - 5)
    asset.last_event_at, asset.tracked_wallets = at - timedelta(seconds=10), 42
    view = ServiceView({"ethereum": chain}, {"AUDIO": asset}, started_at=at - timedelta(hours=1))
    view.actors = lambda: [actor("server"), actor("writer")]
    view.mailboxes = lambda: [{"name": "readings", "live": 3, "sweep": 1}]
    return view
