"""What the system hands to the actors of one chain: mailboxes, errands, the node's pool, Postgres, and the views that the server shows.

Everything here outlives the actors. `patiently` is the one way to wait for Postgres: a named retry, which is progress and no crash.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import trio

from actors import claim
from actors.ahead import Aheads
from actors.askings import Askings
from actors.budget.gate import Budget
from actors.config import AssetConfig, ChainConfig, SweeperConfig
from actors.errand import Errand, ErrandBook
from actors.errors import NodeError, StoreDown
from actors.evm.block import Header
from actors.evm.endpoint import Endpoint
from actors.evm.pool import Pool
from actors.evm.reader import Reader
from actors.evm.size import CallSize
from actors.evm.source import Source
from actors.evm.ws import Connect
from actors.hand import Hand
from actors.latency import BlockTimes, EventToRow
from actors.log import get_logger
from actors.mailbox import Bell, Lane, Mailbox
from actors.messages import Outcome, Page, PageReading, Touch
from actors.metrics import Metrics
from actors.progress import beat, waiting_for_others
from actors.restarts import Backoff
from actors.timers import Timers
from actors.view import AssetView, ChainView, ServiceView

T = TypeVar("T")
TOUCHES_AT_ONCE = 5000  # the hand takes a message whole: a block's touches come to be one call
OUTCOMES_AT_ONCE = 200
OLD_HEADER_AGAIN_SECS = 60.0
log = get_logger("ports")


def clock() -> Callable[[], float]:
    """Trio's clock, which a unit of work may read from its thread."""
    return trio.lowlevel.current_clock().current_time


class Units(Protocol):
    """What runs units of work on the tables, as `store.postgres.Database` does: whole, or not at all."""

    async def run(self, fn: Callable[..., T], *args: Any) -> T: ...
    async def aclose(self) -> None: ...


class Store:
    """One connection to Postgres that waits while Postgres is away."""

    def __init__(self, database: Units, view: ServiceView) -> None:
        self.database, self._view = database, view

    async def patiently(self, fn: Callable[..., T], *args: Any) -> T:
        """Run a unit of work, again and again while Postgres is down; `/readyz` says why meanwhile."""
        backoff, waiter = Backoff(0.1, 2.0), object()
        try:
            while True:
                beat()
                try:
                    return await self.database.run(fn, *args)
                except StoreDown as error:
                    if self._view.store_ok:
                        log.warning("waits for Postgres", reason=str(error))
                    self._view.waits_for_store(waiter, str(error))
                    await trio.sleep(backoff.after(0))
        finally:
            self._view.waits_for_store(waiter, None)


@dataclass
class ChainPorts:
    """One chain's ports."""

    config: ChainConfig
    assets: dict[str, AssetConfig]
    sweeper: SweeperConfig
    pool: Pool
    connect: Connect
    store: Store
    sweep_store: Store
    touches: Mailbox[tuple[Touch, ...] | Page]
    readings: Mailbox[tuple[Outcome, ...]]
    pages: Sequence[Lane[PageReading]]
    book: ErrandBook
    view: ChainView
    asset_views: dict[str, AssetView]
    metrics: Metrics
    reader: Reader
    budget: Budget
    latencies: dict[str, EventToRow] = field(default_factory=dict)  # by asset
    archives: Sequence[Endpoint] = ()  # which the audit alone asks
    sizes: dict[tuple[int, str], CallSize] = field(default_factory=dict)
    hand: Hand = field(default_factory=Hand)
    hand_bell: Bell = field(default_factory=Bell)
    aheads: Aheads = field(default_factory=Aheads)
    draining: bool = False
    askings: defaultdict[str, Askings] = field(default_factory=lambda: defaultdict(Askings))  # by asset
    old_header_due: float = float("-inf")  # when one may be asked for again that no node had
    times: BlockTimes = field(default_factory=BlockTimes)
    timers: Timers = field(default_factory=Timers)
    settled: tuple[Header, float] | None = None  # a block some way behind the head, and when that was asked for

    def sources_of(self, asset: str) -> tuple[Source, ...]:
        """What an asset of the config, or one that ledger rows name, is read from."""
        own = self.assets.get(asset)
        return claim.sources_of(asset) if own is None else own.sources

    def size_for(self, endpoint: Endpoint) -> CallSize:
        """How many wallets go into a call, by the rung that an endpoint is on."""
        rung = self.reader.rung(endpoint)
        most = min(self.config.holders_per_call, rung.most)
        size = self.sizes.setdefault((endpoint.index, rung.name), CallSize(most))
        size.at_most(most)
        return size

    def saw_head(self, header: Header) -> None:
        """Note the newest block that is known, by whatever way it came."""
        self.view.head = header
        self.times.saw(header)
        self.view.head_seen_at = trio.current_time()

    @property
    def head_seen_at(self) -> float:
        """When the head was last seen to be one; minus infinity where none was."""
        return float("-inf") if self.view.head_seen_at is None else self.view.head_seen_at

    def failed(self, endpoint: Endpoint, error: NodeError) -> None:
        """Count an endpoint's fault, and leave it for a while. What a batch's call fails by is counted with that (`blame.py`)."""
        self.metrics.node_errors.labels(self.config.name, endpoint.name, type(error).__name__).inc()
        self.pool.failed(endpoint, error)

    async def learn_when(self, endpoint: Endpoint, first: int) -> None:
        """How old a gap's events are is told by when its first block was made: asked for once after a start, as a rule.

        A node may have the logs and not, or no longer, that header. Then the age is not told, and for a while it is not asked for again:
        a measurement must neither stop a closing nor cost each one a call.
        """
        if self.times.reaches_back_to(first) or trio.current_time() < self.old_header_due:
            return
        try:
            header = await endpoint.header(first)
        except NodeError as error:
            log.debug("a gap's first block is not to be had", chain=self.config.name, block=first, reason=str(error))
            header = None
        if header is None:
            self.old_header_due = trio.current_time() + OLD_HEADER_AGAIN_SECS
        else:
            self.times.saw(header)

    def reached_rows(self, asset: str, events: Mapping[int, int]) -> None:
        """What some blocks' events touched is committed: so many wallets of each."""
        self.latencies[asset].committed(events, self.times, time.time())

    def catch_up(self, branch: int) -> None:
        """Go over to the branch that a transaction found: another copy of the process may have gone on."""
        if branch > self.view.branch:
            self.view.branch, self.view.closed = branch, None

    def fall_back(self, asset: str, closed: int | None) -> None:
        """What was refused is read again by what Postgres says: by its checkpoint, and by no block that another copy may have passed."""
        if closed is not None:
            self.asset_views[asset].checkpoint_block = closed
        if not self.view.leads:
            self.view.closed = None

    @contextmanager
    def reading_ahead(self, asset: str, head: Header, branch: int, wallets: Collection[bytes]) -> Iterator[None]:
        """What is done inside will most likely want those wallets at that head, if there are any."""
        if wallets:
            self.aheads.want(asset, head, branch, wallets)
            self.hand_bell.ring()
        try:
            yield
        finally:
            self.aheads.forget(asset)

    async def see_through(self, errand: Errand, live: bool) -> None:
        """Send all that is unfinished of an errand, and wait for its end; killed in between, the sender's next incarnation does it again."""
        touches, rest = self.book.unsent(errand)
        with waiting_for_others():
            with self.touches.lane(live).inlet() as inlet:
                for page in list(errand.pages.values()):
                    await inlet.send(page)
                for chunk in chunks(touches, TOUCHES_AT_ONCE):
                    await inlet.send(tuple(chunk))
            with self.readings.lane(live).inlet() as outlet:
                for outcomes in chunks(rest, OUTCOMES_AT_ONCE):
                    await outlet.send(tuple(outcomes))
            await errand.done.wait()


def chunks(items: Sequence[T], most: int) -> list[Sequence[T]]:
    """The items in messages of a bounded size."""
    return [items[at : at + most] for at in range(0, len(items), most)]
