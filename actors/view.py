"""What the server shows: plain facts that the actors write and nobody waits for.

The server alone reads them. A moment that is a float is monotonic (`trio.current_time()`), a datetime is UTC.
What another object already knows is asked for when it is shown, through a callable, and never copied.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from actors.age.objective import Verdict
from actors.evm.block import Header


class EndpointFacts(Protocol):
    """What is shown of an endpoint; `name` holds no secret."""

    @property
    def name(self) -> str: ...
    @property
    def chain_ok(self) -> bool | None: ...
    @property
    def down_until(self) -> float: ...
    @property
    def failures(self) -> int: ...
    @property
    def last_error(self) -> str | None: ...
    @property
    def last_head(self) -> int | None: ...
    @property
    def latency_secs(self) -> float | None: ...
    @property
    def requests(self) -> int: ...
    @property
    def rungs(self) -> tuple[str, ...]: ...
    @property
    def answered_at(self) -> float: ...
    @property
    def failed_at(self) -> float: ...


class Restart(NamedTuple):
    """An actor that had to be started again, and whether for a crash, a kill or a stall."""

    at: float
    actor: str
    cause: str


def _nothing() -> list[Any]:
    return []


def _none() -> None:
    return None


@dataclass
class ChainView:
    """One chain. Without `ws_configured` it is connected while one of its endpoints is up.

    `leads`: this process is the chain's subscriber; else another copy is, and what is shown of closings is what Postgres says.
    `wallets_per_call`: how many the batcher puts into one call now. `budget` and an asset's `forecast` give what is shown of them.
    `head` was the newest block at `head_seen_at`: with `follow = "logs"` it is asked for by closings, and by reads that need it.
    `socket_error`: why the last session ended, `connected_at`: when this one began.
    """

    name: str
    rpc_configured: bool = False
    ws_configured: bool = False
    leads: bool = True
    connected: bool = False
    head: Header | None = None
    head_seen_at: float | None = None
    closed: Header | None = None
    branch: int = 0
    last_push_at: float | None = None
    last_error: str | None = None
    socket_error: str | None = None
    connected_at: float | None = None
    endpoints: Callable[[], Sequence[EndpointFacts]] = _nothing
    wallets_per_call: int = 200
    budget: Callable[[], dict[str, Any] | None] = _none
    spend_by_day: Callable[[], Sequence[dict[str, Any]]] = _nothing

    def up(self, now: float) -> list[EndpointFacts]:
        """The endpoints that may be asked now."""
        return [each for each in self.endpoints() if each.chain_ok is not False and each.down_until <= now]

    def is_connected(self, now: float) -> bool:
        """Whether news of the chain comes in, by whatever way is configured."""
        return self.connected if self.ws_configured and self.leads else bool(self.up(now))


@dataclass
class AssetView:
    """One asset. `follows`: it has triggers, and so closings, one due every `closes_every_secs`. `sweeps`: this process sweeps it."""

    name: str
    chain: str
    follows: bool = True
    sweeps: bool = True
    closes_every_secs: float = 60.0
    checkpoint_block: int | None = None
    confirmed: int | None = None
    last_closed_at: float | None = None
    last_event_at: datetime | None = None
    tracked_wallets: int = 0
    cached_wallets: int = 0  # the first seed's cache of rows in memory; no set of wallets is held here
    events: int = 0  # wallets that newly closed blocks' events touched
    set_aside: int = 0
    set_aside_wallets: list[dict[str, Any]] = field(default_factory=list)  # some of them
    ticks: int = 0
    ticks_dropped: int = 0
    tick_requested: int = 0
    tick_updated: int = 0
    last_tick_at: datetime | None = None
    audit: Callable[[], dict[str, Any] | None] = _none
    forecast: Callable[[], dict[str, Any] | None] = _none
    swept: int = 0  # rows of pages that are done, since the process started
    age: dict[str, Any] | None = None
    age_error: str | None = None
    objective: Verdict | None = None
    checkpoint_time: float | None = None  # the closed block's timestamp; None where another copy closes
    event_to_row: Callable[[], dict[str, Any] | None] = _none


@dataclass
class LedgerView:
    """One chain of the ledger: its claims, and why nothing is read on it, if so."""

    name: str
    error: str | None = None
    ticks: int = 0
    tick_requested: int = 0
    tick_updated: int = 0


@dataclass
class ConfigView:
    """The config in force: when the file was last read and taken, why it was refused since then, and which of its keys wait for a restart."""

    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    error: str | None = None
    restart_needed: tuple[str, ...] = ()


@dataclass
class ServiceView:
    """The whole service.

    `actors` gives dicts of name, state, restarts and last_error; `mailboxes` of name, live and sweep.
    """

    chains: dict[str, ChainView]
    assets: dict[str, AssetView]
    actors: Callable[[], Sequence[dict[str, Any]]] = _nothing
    mailboxes: Callable[[], Sequence[dict[str, Any]]] = _nothing
    store_ok: bool = True
    store_error: str | None = None
    ledger: dict[str, LedgerView] = field(default_factory=dict)
    chaos_enabled: bool = False
    config: ConfigView = field(default_factory=ConfigView)
    rates: Callable[[], dict[str, float] | None] = _none
    restarts: deque[Restart] = field(default_factory=lambda: deque(maxlen=1000))
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    _store_waits: dict[object, str] = field(default_factory=dict)

    def waits_for_store(self, waiter: object, why: str | None) -> None:
        """Note why a unit of work waits for Postgres; None: it does no more. A read that succeeds says nothing of a write that waits."""
        if why is None:
            self._store_waits.pop(waiter, None)
        else:
            self._store_waits[waiter] = why
        self.store_ok, self.store_error = not self._store_waits, next(iter(self._store_waits.values()), None)
