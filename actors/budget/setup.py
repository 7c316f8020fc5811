"""One chain's budget as the config has it, joined to its pool, its metrics, and what is shown of it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import trio

from actors.budget.forecast import Sweep, forecast
from actors.budget.gate import Budget
from actors.budget.governor import Governor
from actors.budget.month import MONTH, live_rate, units_by_end
from actors.config import AssetConfig, ChainConfig, Config
from actors.evm.pool import Pool
from actors.metrics import Metrics
from actors.pace import pace
from actors.view import AssetView, ChainView, ServiceView

UNPINNED_HEADERS = 2  # what the sweep of an asset that nothing closes asks for to choose its pin


def budget_of(chain: ChainConfig, config: Config, pool: Pool, metrics: Metrics, view: ServiceView) -> Budget:
    """The chain's and its assets' views are there already."""
    limit, cap = chain.compute_units_per_sec, chain.compute_units_per_month
    budget = Budget(chain.name, Governor(config.prices[chain.prices], limit, cap, trio.current_time), chain.month_starts_on)
    budget.on_spend = partial(_count, metrics, chain.name)
    budget.on_refused = metrics.throttled.labels(chain.name).inc
    pool.metered_by(budget)
    shown = view.chains[chain.name]
    shown.budget = partial(_facts, budget, [view.assets[asset.name] for asset in config.assets_of(chain.name)])
    shown.spend_by_day = lambda: budget.by_day
    for asset in config.assets_of(chain.name):
        own = view.assets[asset.name]
        own.forecast = partial(_forecast, config, asset, budget, shown, own)
    return budget


def _count(metrics: Metrics, chain: str, actor: str, method: str, units: int) -> None:
    metrics.rpc_calls.labels(chain, actor, method).inc()
    metrics.rpc_units.labels(chain, actor, method).inc(units)


def _facts(budget: Budget, assets: Sequence[AssetView]) -> dict[str, Any]:
    month = budget.governor.month
    sweeps = sum((asset.forecast() or {}).get("units_a_month", 0) for asset in assets)
    return {**budget.facts(), "month_units_by_end": None if month is None else units_by_end(month, sweeps)}


def _forecast(config: Config, asset: AssetConfig, budget: Budget, chain: ChainView, view: AssetView) -> dict[str, Any]:
    rows, sweeper, governor = view.tracked_wallets, config.sweeper, budget.governor
    paced = pace(rows, asset.target_age_secs, sweeper.interval_secs, sweeper.batch_size)
    headers = 0 if view.follows else UNPINNED_HEADERS
    sweep = Sweep(rows, paced, chain.wallets_per_call, headers, asset.target_age_secs)
    live = round(live_rate(governor.month) * MONTH) if governor.month else 0
    return forecast(sweep, governor.prices, governor.sweep_per_sec, live).shown(asset.name)
