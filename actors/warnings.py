"""What an operator should know although the service does its job: pure functions over the view, each line with its cause.

What keeps the service from its job is among `health.readiness`'s reasons instead, and is not said twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from actors.view import AssetView, ChainView, EndpointFacts, Restart, ServiceView

WITHIN_SECS = 60.0
CRASH_LOOP = 3  # crashes within that time
PAUSE_SECS = 2.0  # a shorter pause after one failure is everyday life
FAILURES = 2


def fails(endpoint: EndpointFacts, now: float) -> bool:
    """Whether it is down by more than one failure: its pause may be over, and nothing good has come from it since."""
    again = endpoint.failures >= FAILURES and endpoint.failed_at >= endpoint.answered_at
    return endpoint.chain_ok is False or again or endpoint.down_until > now + PAUSE_SECS


def why(endpoint: EndpointFacts) -> str:
    """Its cause."""
    return "is on another chain" if endpoint.chain_ok is False else endpoint.last_error or "is down"


def crashes(restarts: Iterable[Restart], now: float) -> Counter[str]:
    """How often each actor crashed or was stuck in the last minute."""
    return Counter(each.actor for each in restarts if each.cause != "kill" and each.at > now - WITHIN_SECS)


def warnings(view: ServiceView, assets: Sequence[Mapping[str, Any]], now: float) -> list[str]:
    """In words. `assets` are as the status shows them."""
    return [
        *(text for chain in view.chains.values() for text in _of_chain(chain, now)),
        *(text for asset in view.assets.values() for text in _of_asset(asset)),
        *(text for asset in assets for text in _of_audit(asset)),
        *_of_config(view),
        *_of_restarts(view, now),
    ]


def _of_chain(chain: ChainView, now: float) -> Iterator[str]:
    failing = [each for each in chain.endpoints() if fails(each, now)]
    if len(failing) < len(chain.endpoints()):  # else that is a reason
        for endpoint in failing:
            yield f"endpoint {endpoint.name} of chain {chain.name} is down, others carry on: {why(endpoint)}"
    if chain.ws_configured and chain.leads:
        yield from _of_socket(chain, now)
    yield from _of_budget(chain)


def _of_socket(chain: ChainView, now: float) -> Iterator[str]:
    since = chain.connected_at if chain.connected_at is not None else now
    if not chain.connected:
        yield f"the socket of chain {chain.name} is down, it is polled meanwhile: {chain.socket_error or 'not connected yet'}"
    elif chain.socket_error and now - since < WITHIN_SECS and (chain.last_push_at or 0.0) < since:
        yield f"the socket of chain {chain.name} was opened anew and has pushed nothing yet: {chain.socket_error}"


def _of_budget(chain: ChainView) -> Iterator[str]:
    budget = chain.budget() or {}
    if (rate := budget.get("learned_units_per_sec")) is not None:
        times = budget.get("throttled", 0)
        yield f"the provider of chain {chain.name} refused {times} calls for their rate: {rate:,.0f} units a second are kept to"


def _of_asset(asset: AssetView) -> Iterator[str]:
    if asset.set_aside:
        first = next(iter(asset.set_aside_wallets), None)
        example = f", the first: {first['wallet']}: {first['error']}" if first else ""
        wallets = "1 wallet" if asset.set_aside == 1 else f"{asset.set_aside:,} wallets"
        yield f"{wallets} of asset {asset.name} {'is' if asset.set_aside == 1 else 'are'} set aside{example}"
    if asset.age_error:
        yield f"the ages of asset {asset.name}'s rows cannot be measured: {asset.age_error}"
    forecast = asset.forecast() or {}
    if forecast.get("limited_by") == "budget" and forecast.get("secs") and forecast["secs"] > PAUSE_SECS:
        paced = forecast["rows"] / forecast["tick_rows"] * forecast["tick_every_secs"]
        yield f"the sweep of asset {asset.name} is slowed by the budget: it takes {_long(forecast['secs'])} instead of {_long(paced)}"


def _long(secs: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if secs >= 2 * size:
            return f"{secs / size:,.1f} {unit}"
    return f"{secs:,.0f} s"


def _of_audit(asset: Mapping[str, Any]) -> Iterator[str]:
    audit = asset.get("audit") or {}
    if audit.get("wrong"):
        rows = "row" if audit["wrong"] == 1 else "rows"
        seen = f"{audit['wrong']:,} wrong {rows} among {audit.get('checked') or 0:,}, {audit.get('mended') or 0:,} mended"
        yield f"the audit of asset {asset['name']} found {seen}, the last at {audit.get('last_wrong_at')}"
    if audit.get("blocked"):
        yield f"the audit of asset {asset['name']} is blocked: {audit['blocked']}"


def _of_config(view: ServiceView) -> Iterator[str]:
    if view.config.error:
        yield f"the config file was read again and refused, nothing has changed: {view.config.error}"
    if view.config.restart_needed:
        yield f"the config file has changes that need a restart: {', '.join(view.config.restart_needed)}"


def _of_restarts(view: ServiceView, now: float) -> Iterator[str]:
    errors = {actor["name"]: actor["last_error"] for actor in view.actors() if actor["state"] == "running"}
    for name, times in crashes(view.restarts, now).items():
        if name in errors and times < CRASH_LOOP:  # else that is a reason
            yield f"actor {name} was started again {times} times within a minute: {errors[name]}".replace(" 1 times", "")
    killed = Counter(each.actor for each in view.restarts if each.cause == "kill" and each.at > now - WITHIN_SECS)
    if killed:
        names = ", ".join(name if times == 1 else f"{name} ({times} times)" for name, times in killed.most_common())
        yield f"killed on demand within a minute, and started again: {names}"
