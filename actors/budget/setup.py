"""One chain's budget as the config has it, joined to its pool, its metrics, and what is shown of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import trio

from actors.budget.forecast import Sweep, demand, forecast
from actors.budget.gate import Budget
from actors.budget.governor import Governor
from actors.budget.month import MONTH, live_rate, units_by_end
from actors.config import ChainConfig, Config
from actors.evm.pool import Pool
from actors.metrics import Metrics
from actors.pace import pace
from actors.timers import Timers
from actors.view import AssetView, ChainView, ServiceView

UNPINNED_HEADERS = 2  # what the sweep of an asset that nothing closes asks for to choose its pin


def budget_of(
    chain: ChainConfig, config: Callable[[], Config], pool: Pool, metrics: Metrics, view: ServiceView, timers: Timers
) -> Budget:
    """The chain's and its assets' views are there already. `config`: as it is now."""
    limit, cap, assets = chain.compute_units_per_sec, chain.compute_units_per_month, config().assets_of(chain.name)
    governor = Governor(config().prices[chain.prices], limit, cap, trio.current_time)
    budget = Budget(chain.name, governor, chain.month_starts_on, timers)
    budget.on_spend = partial(_count, metrics, chain.name)
    budget.on_refused = metrics.throttled.labels(chain.name).inc
    pool.metered_by(budget)
    shown = view.chains[chain.name]
    shown.budget = partial(_facts, budget, [view.assets[asset.name] for asset in assets])
    shown.spend_by_day = lambda: budget.by_day
    for asset in assets:
        own = view.assets[asset.name]
        others = [view.assets[other.name] for other in assets if other is not asset]
        own.forecast = partial(_forecast, config, budget, shown, own, others)
    return budget


def _count(metrics: Metrics, chain: str, actor: str, method: str, units: int) -> None:
    metrics.rpc_calls.labels(chain, actor, method).inc()
    metrics.rpc_units.labels(chain, actor, method).inc(units)


def _facts(budget: Budget, assets: Sequence[AssetView]) -> dict[str, Any]:
    month = budget.governor.month
    sweeps = sum((asset.forecast() or {}).get("units_a_month", 0) for asset in assets)
    return {**budget.facts(), "month_units_by_end": None if month is None else units_by_end(month, sweeps)}


def _forecast(
    config: Callable[[], Config], budget: Budget, chain: ChainView, view: AssetView, others: Sequence[AssetView]
) -> dict[str, Any]:
    governor = budget.governor
    live = round(live_rate(governor.month) * MONTH) if governor.month else 0
    beside = sum(demand(_sweep(config(), chain, other), governor.prices) for other in others)
    return forecast(_sweep(config(), chain, view), governor.prices, governor.sweep_per_sec, live, beside).shown(view.name)


def _sweep(config: Config, chain: ChainView, view: AssetView) -> Sweep:
    target, rows = config.asset(view.name).target_age_secs, view.tracked_wallets
    headers = 0 if view.follows else UNPINNED_HEADERS
    return Sweep(rows, pace(rows, target, config.sweeper.interval_secs, config.sweeper.batch_size), chain.wallets_per_call, headers, target)
