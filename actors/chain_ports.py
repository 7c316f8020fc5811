"""A chain's ports as the system makes them: its endpoints, what is shown of it, its budget and its mailbox."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import trio

from actors.audit.panel import archives_of
from actors.budget.setup import budget_of
from actors.config import AssetConfig, ChainConfig, Config
from actors.errand import ErrandBook
from actors.evm import ws
from actors.evm.endpoint import Http
from actors.evm.pool import Pool
from actors.evm.reader import Reader
from actors.latency import latencies_of
from actors.mailbox import Lane, Mailbox
from actors.messages import Outcome, PageReading
from actors.metrics import Metrics
from actors.ports import ChainPorts, Store
from actors.timers import Timers
from actors.view import AssetView, ChainView, ServiceView

TOUCH_MESSAGES = 64


class Shared(Protocol):
    """What all chains of a process share."""

    config: Config
    client: Http
    metrics: Metrics
    book: ErrandBook
    readings: Mailbox[tuple[Outcome, ...]]
    pages: tuple[Lane[PageReading], ...]
    view: ServiceView
    stores: dict[str, Store]
    timers: Timers

    @property
    def connect(self) -> ws.Connect: ...


def ports_of(chain: ChainConfig, shared: Shared) -> ChainPorts:
    """The ports of a chain, of the config or that only ledger rows are on. It is shown from now on."""
    assets = {asset.name: asset for asset in shared.config.assets if asset.chain == chain.name}
    pool = _pool(chain, shared)
    view, views = _view(chain, pool, shared.config), _asset_views(chain, assets)
    shared.view.chains[chain.name] = view
    shared.view.assets.update(views)
    budget = budget_of(chain, lambda: shared.config, pool, shared.metrics, shared.view, shared.timers)
    return ChainPorts(
        config=chain,
        assets=assets,
        sweeper=shared.config.sweeper,
        pool=pool,
        connect=shared.connect,
        store=shared.stores["following"],
        sweep_store=shared.stores["sweeping"],
        touches=Mailbox(f"touches:{chain.name}", TOUCH_MESSAGES),
        readings=shared.readings,
        pages=shared.pages,
        book=shared.book,
        view=view,
        asset_views=views,
        metrics=shared.metrics,
        reader=Reader(chain.chain_id, chain.multicall3, chain.reads),
        budget=budget,
        latencies=latencies_of(views, shared.metrics.event_to_row_seconds),
        archives=archives_of(chain, shared.client, budget, pool.on_request),
        timers=shared.timers,
    )


def _pool(chain: ChainConfig, shared: Shared) -> Pool:
    pool, metrics = Pool(chain.http, chain.chain_id, shared.client, trio.current_time), shared.metrics
    pool.name = chain.name
    pool.on_request = lambda endpoint, method: metrics.requests.labels(chain.name, endpoint, method).inc()
    pool.timed_by(lambda endpoint, secs: metrics.node_call_seconds.labels(chain.name, endpoint).observe(secs))
    return pool


def _view(chain: ChainConfig, pool: Pool, config: Config) -> ChainView:
    view = ChainView(chain.name, rpc_configured=bool(chain.http), ws_configured=bool(chain.ws))
    view.leads = chain in config.chains  # nobody follows a chain that only ledger rows are on
    view.endpoints = lambda: pool.endpoints
    view.wallets_per_call = min(view.wallets_per_call, chain.holders_per_call)
    return view


def _asset_views(chain: ChainConfig, assets: Mapping[str, AssetConfig]) -> dict[str, AssetView]:
    every = closes_every(chain)
    return {name: AssetView(name, chain.name, follows=bool(asset.triggers), closes_every_secs=every) for name, asset in assets.items()}


def closes_every(chain: ChainConfig) -> float:
    """How often a closing is due, in seconds."""
    return chain.confirm_secs if chain.ws else chain.poll_interval_secs
