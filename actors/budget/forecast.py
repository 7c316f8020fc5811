"""What one whole sweep of an asset will take, and what sweeping costs a month. Plain arithmetic over what is known now."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from actors.budget.governor import SWEEP_SHARE
from actors.budget.month import MONTH
from actors.budget.prices import CALL, HEADER, Prices
from actors.pace import Pace

INF = float("inf")


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is swept: `wallets_per_call` go into one call, and before each of them `headers_per_call` headers are asked for."""

    rows: int
    pace: Pace
    wallets_per_call: int
    headers_per_call: int = 0
    target_age_secs: float = 0.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """One sweep of all rows. `least_secs`: as fast as the budget lets it (None: it sets no bound), `secs`: at its pace, where the budget
    lets it (None: never). `units_a_month` is of 30 days. `meets_target`: None without a `target_age_secs`.

    What the target would cost, None without one: `target_units_a_month` is the sweep's part, and `needs_units_per_sec` and
    `needs_units_per_month` are what the chain's budget would have to be, live events and the chain's other sweeps with it.
    """

    rows: int
    tick_rows: int
    tick_every_secs: float
    calls: int
    units: int
    least_secs: float | None
    secs: float | None
    units_a_month: int
    target_age_secs: float
    meets_target: bool | None
    limited_by: str
    target_units_a_month: int | None = None
    needs_units_per_sec: int | None = None
    needs_units_per_month: int | None = None

    def shown(self, name: str) -> dict[str, Any]:
        """For /api/status."""
        return {"name": name, **asdict(self)}


def _calls_and_units(sweep: Sweep, prices: Prices) -> tuple[int, int]:
    """Of one sweep of all rows; its headers are not among the calls."""
    calls = math.ceil(sweep.rows / sweep.pace.rows) * math.ceil(min(sweep.pace.rows, sweep.rows) / sweep.wallets_per_call)
    return calls, calls * (prices.of(CALL) + sweep.headers_per_call * prices.of(HEADER))


def demand(sweep: Sweep, prices: Prices) -> float:
    """Units a second that a sweep takes at its pace."""
    paced = sweep.pace.lap_secs(sweep.rows)
    return _calls_and_units(sweep, prices)[1] / paced if paced else 0.0


def forecast(sweep: Sweep, prices: Prices, units_per_sec: float, live_units_a_month: int = 0, others: float = 0.0) -> Forecast:
    """`units_per_sec`: what the budget leaves to the chain's sweeps; infinity where it sets no bound. `live_units_a_month`: what live events
    take. `others`: the demand of the chain's other sweeps, which are slowed down alike where the budget is not enough for all.
    """
    pace = sweep.pace
    calls, units = _calls_and_units(sweep, prices)
    own = demand(sweep, prices)
    least = _secs(units, units_per_sec * own / (own + others) if others else units_per_sec)
    paced = pace.lap_secs(sweep.rows)
    secs = max(paced, least)
    in_time = _in_time(units, paced, live_units_a_month, others * MONTH) if sweep.target_age_secs else (None, None, None)
    return Forecast(
        rows=sweep.rows,
        tick_rows=pace.rows,
        tick_every_secs=round(pace.interval_secs, 3),
        calls=calls * (1 + sweep.headers_per_call),
        units=units,
        least_secs=None if units_per_sec == INF or least == INF else round(least, 3),
        secs=None if secs == INF else round(secs, 3),
        units_a_month=round(units * MONTH / secs) if secs else 0,
        target_age_secs=sweep.target_age_secs,
        meets_target=secs <= sweep.target_age_secs if sweep.target_age_secs else None,
        limited_by="budget" if least > paced else "target_age_secs" if sweep.target_age_secs else "interval_secs",
        target_units_a_month=in_time[0],
        needs_units_per_sec=in_time[1],
        needs_units_per_month=in_time[2],
    )


def _in_time(units: int, paced: float, live_a_month: int, others_a_month: float) -> tuple[int, int, int]:
    """What sweeps at the pace that the target asks for cost a month, and the budget that they need: a second, and a month."""
    a_month = math.ceil(units * MONTH / paced) if paced else 0
    sweeps = a_month + math.ceil(others_a_month)
    return a_month, math.ceil((sweeps / SWEEP_SHARE + live_a_month) / MONTH), sweeps + live_a_month


def _secs(units: int, units_per_sec: float) -> float:
    if not units:
        return 0.0
    return units / units_per_sec if units_per_sec > 0 else INF
