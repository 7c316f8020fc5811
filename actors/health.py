"""Whether the service does its job, judged from the view alone: pure functions that mask nothing themselves.

`eth_health` has the first seed's shape and its 500 cases, `readiness` gives its reasons in words, `status`
shows everything. `now` is monotonic (`trio.current_time()`); `at` is the wall clock in UTC, for the ages of
events.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from actors.moments import iso
from actors.view import AssetView, ChainView, ConfigView, EndpointFacts, ServiceView
from actors.warnings import CRASH_LOOP, crashes, fails, warnings, why

MAX_EVENT_LAG_SECS = 600.0
# A closing is late when it is overdue by this many of its periods, and by this much at least.
LATE_PERIODS = 3
LATE_AT_LEAST_SECS = 15.0


def eth_health(
    view: ServiceView, max_event_lag_secs: float, now: float, at: datetime, asset: str | None = None
) -> tuple[int, dict[str, Any]]:
    """Status code and body for one asset: the named one (else KeyError), or the first of the config."""
    shown = view.assets[asset] if asset is not None else next(iter(view.assets.values()), None)
    if shown is None:
        return 500, {"data": _seed_fields(["no asset is configured"], None, None, now)}
    chain = view.chains[shown.chain]
    errors = list(_health_errors(view, shown, chain, max_event_lag_secs, now, at))
    return 500 if errors else 200, {"data": _seed_fields(errors, shown, chain, now)}


def _seed_fields(errors: list[str], asset: AssetView | None, chain: ChainView | None, now: float) -> dict[str, Any]:
    return {
        "errors": errors,
        "connected": chain is not None and chain.is_connected(now),
        "rpc_configured": chain is not None and chain.rpc_configured,
        "last_block_seen": chain.head.number if chain is not None and chain.head is not None else None,
        "checkpoint_block": asset.checkpoint_block if asset is not None else None,
        "last_event_at": _iso(asset.last_event_at) if asset is not None else None,
        "tracked_wallets": asset.tracked_wallets if asset is not None else 0,
        "cached_wallets": asset.cached_wallets if asset is not None else 0,
    }


def _health_errors(
    view: ServiceView, asset: AssetView, chain: ChainView, max_event_lag_secs: float, now: float, at: datetime
) -> Iterator[str]:
    if not chain.rpc_configured:
        yield f"rpc is not configured for chain {chain.name}"
    if not chain.is_connected(now):
        yield f"not connected to chain {chain.name}{_because(chain.last_error)}"
    if chain.head is None and chain.leads:
        yield f"no block of chain {chain.name} was seen yet"
    if not view.store_ok:
        yield f"Postgres is unreachable{_because(view.store_error)}"
    if not asset.follows:
        return
    if asset.checkpoint_block is None:
        yield f"asset {asset.name} has no checkpoint yet"
    # A process that has just started has not missed an event yet.
    lag = (at - max(asset.last_event_at or view.started_at, view.started_at)).total_seconds()
    if lag > max_event_lag_secs:
        yield f"no event of asset {asset.name} for {lag:.0f} s, more than {max_event_lag_secs:g} s"


def readiness(view: ServiceView, now: float) -> tuple[bool, list[str]]:
    """Whether the service does its job, and in words why not."""
    reasons = list(_reasons(view, now))
    return not reasons, reasons


def _reasons(view: ServiceView, now: float) -> Iterator[str]:
    if not view.store_ok:
        yield f"Postgres is unreachable{_because(view.store_error)}"
    for chain in view.chains.values():
        yield from _chain_reasons(chain, now)
    for asset in view.assets.values():
        yield from _asset_reasons(asset, view.chains[asset.chain], now)
    for ledger in view.ledger.values():
        if ledger.error is not None:
            yield f"ledger chain {ledger.name}: {ledger.error}"
    crashed = crashes(view.restarts, now)
    for actor in view.actors():
        name, times = actor["name"], crashed[actor["name"]]
        if actor["state"] != "running":
            yield f"actor {name} is {actor['state']}{_because(actor['last_error'])}"
        elif times >= CRASH_LOOP:
            yield f"actor {name} was started again {times} times within a minute{_because(actor['last_error'])}"


def _chain_reasons(chain: ChainView, now: float) -> Iterator[str]:
    if not any(endpoint in chain.up(now) and not fails(endpoint, now) for endpoint in chain.endpoints()):
        causes = "; ".join(f"{each.name}: {why(each)}" for each in chain.endpoints())
        yield f"chain {chain.name} has no healthy endpoint{_because(causes)}"
    elif chain.head is None and chain.leads:
        yield f"no block of chain {chain.name} was seen yet"
    budget = chain.budget() or {}
    spent, cap = budget.get("month_units"), budget.get("month_cap")
    if cap and spent is not None and (spent >= cap or budget.get("sweep_units_per_sec") == 0):
        rest = "the month's budget is spent" if spent >= cap else "the rest of the month's budget is kept for live events"
        yield f"the sweeps of chain {chain.name} stand still, {rest}: {spent:,} of {cap:,} units"


def _asset_reasons(asset: AssetView, chain: ChainView, now: float) -> Iterator[str]:
    if asset.objective is not None and asset.objective.at_risk:
        yield f"asset {asset.name}: {asset.objective.why}"
    if not asset.follows:
        return
    if asset.checkpoint_block is None:
        yield f"asset {asset.name} is not closed yet"
    elif asset.last_closed_at is not None and chain.leads:
        since = now - asset.last_closed_at
        if since > max(LATE_PERIODS * asset.closes_every_secs, LATE_AT_LEAST_SECS):
            due = f"asset {asset.name} has not closed for {since:.0f} s, due: {asset.closes_every_secs:g} s"
            yield due + _because(chain.last_error)


def status(view: ServiceView, now: float) -> dict[str, Any]:
    """Everything, for /api/status: lists of objects, each with its `name`."""
    ready, reasons = readiness(view, now)
    assets = [_asset(asset, now) for asset in view.assets.values()]
    return {
        "started_at": _iso(view.started_at),
        "ready": ready,
        "reasons": reasons,
        "warnings": warnings(view, assets, now),
        "rates": view.rates(),
        "chaos_enabled": view.chaos_enabled,
        "config": _config(view.config),
        "postgres": {"ok": view.store_ok, "error": view.store_error},
        "actors": [dict(actor) for actor in view.actors()],
        "chains": [_chain(chain, view, now) for chain in view.chains.values()],
        "endpoints": [_endpoint(chain, each, now) for chain in view.chains.values() for each in chain.endpoints()],
        "assets": assets,
        "ledger": [dataclasses.asdict(ledger) for ledger in view.ledger.values()],
        "mailboxes": [dict(mailbox) for mailbox in view.mailboxes()],
        "budgets": [shown for chain in view.chains.values() if (shown := chain.budget())],
        "forecasts": [shown for asset in view.assets.values() if (shown := asset.forecast())],
    }


def _config(config: ConfigView) -> dict[str, Any]:
    return {"loaded_at": _iso(config.loaded_at), "error": config.error, "restart_needed": list(config.restart_needed)}


def _chain(chain: ChainView, view: ServiceView, now: float) -> dict[str, Any]:
    return {
        "name": chain.name,
        "leads": chain.leads,
        "connected": chain.is_connected(now),
        "head": chain.head.number if chain.head is not None else None,
        "head_at": _iso(_moment(chain.head.timestamp)) if chain.head is not None else None,
        "head_seen_secs_ago": _ago(chain.head_seen_at, now),
        "closed": chain.closed.number if chain.closed is not None else None,
        "behind": _behind(chain, [asset for asset in view.assets.values() if asset.chain == chain.name and asset.follows]),
        "branch": chain.branch,
        "last_push_secs_ago": _ago(chain.last_push_at, now),
        "last_error": chain.last_error,
        "socket": ("up" if chain.connected else "down") if chain.ws_configured and chain.leads else None,
        "socket_error": chain.socket_error,
        "spend_by_day": list(chain.spend_by_day()),
    }


def _behind(chain: ChainView, followed: Sequence[AssetView]) -> int | None:
    """Blocks from its slowest asset's checkpoint to the head: what the fastest has closed says nothing of the others. None while one of
    them has no checkpoint, or no head was seen.
    """
    marks = [asset.checkpoint_block for asset in followed] or [None if chain.closed is None else chain.closed.number]
    known = [mark for mark in marks if mark is not None]
    if chain.head is None or len(known) < len(marks):
        return None
    return max(0, chain.head.number - min(known))


def _endpoint(chain: ChainView, endpoint: EndpointFacts, now: float) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "chain": chain.name,
        "up": endpoint in chain.up(now) and not fails(endpoint, now),
        "rung": next(iter(endpoint.rungs), None),
        "head": endpoint.last_head,
        "requests": endpoint.requests,
        "failures": endpoint.failures,
        "latency_secs": endpoint.latency_secs,
        "last_error": endpoint.last_error,
    }


def _asset(asset: AssetView, now: float) -> dict[str, Any]:
    return {
        "name": asset.name,
        "chain": asset.chain,
        "sweeps": asset.sweeps,
        "checkpoint_block": asset.checkpoint_block,
        "confirmed": asset.confirmed,
        "last_closed_secs_ago": _ago(asset.last_closed_at, now),
        "last_event_at": _iso(asset.last_event_at),
        "tracked_wallets": asset.tracked_wallets,
        "set_aside": asset.set_aside,
        "set_aside_wallets": asset.set_aside_wallets,
        "ticks": asset.ticks,
        "ticks_dropped": asset.ticks_dropped,
        "tick_requested": asset.tick_requested,
        "tick_updated": asset.tick_updated,
        "last_tick_at": _iso(asset.last_tick_at),
        "age": asset.age,
        "age_error": asset.age_error,
        "objective": None if asset.objective is None else asset.objective.shown(),
        "event_to_row": asset.event_to_row(),
        "audit": asset.audit(),
    }


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""


def _ago(then: float | None, now: float) -> float | None:
    return None if then is None else round(max(0.0, now - then), 1)


def _moment(timestamp: int) -> datetime | None:
    """A block's time; None where a node says what is none."""
    try:
        return datetime.fromtimestamp(timestamp, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else iso(moment)
