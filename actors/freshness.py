"""Freshness: how old each asset's rows are, measured every so often, and whether the target age can be kept.

Takes: the tables, over a connection of its own, one two hundredth of the time, or as often as a target age asks for, one tenth at most. Sends nothing and writes nothing. On crash or kill:
what it knows lives beside the mailboxes. Postgres away, or a table that cannot be measured, is tried again, and shown as what it is; neither
ends it. Each copy of the process measures for itself, since each answers for its own `/readyz`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import psycopg
import trio

from actors.age.ages import Ages
from actors.age.objective import Objective, unknown
from actors.child import ChildSpec
from actors.config import AssetConfig
from actors.errors import StoreDown
from actors.log import get_logger
from actors.ports import ChainPorts, Store
from actors.progress import effort
from actors.store import ages as store_ages
from actors.view import AssetView

JUDGE_EVERY_SECS = 5.0
REST = 200.0  # times as long as a measurement took
LEAST_REST = 10.0
LONGEST_REST_SECS = 600.0
REST_OF_TARGET = 0.05  # at most, of a target age: between measurements ages are taken as they were
KNOWN_SECS, KNOWN_OF_TARGET = 60.0, 0.2  # for how long at least what was measured says something
log = get_logger("freshness")


class Watched:
    """One asset: what was measured of it last, and its objective. It outlives the actor. `assets` are as they are configured now."""

    def __init__(self, assets: Mapping[str, AssetConfig], view: AssetView) -> None:
        self._assets, self._view = assets, view
        self._measured_at, self._took_secs = float("-inf"), 0.0
        self._ages: Ages | None = None
        self._known_at: float | None = None
        self._objective: Objective | None = None

    @property
    def asset(self) -> AssetConfig:
        """As it is configured now."""
        return self._assets[self._view.name]

    def measured(self, ages: Ages, took_secs: float) -> None:
        """Show it; the next one is due after a rest that this one's cost allows."""
        self._ages, self._known_at, self._view.age_error = ages, trio.current_time(), None
        self._view.age = ages.shown(datetime.now(UTC))
        self._rest(took_secs)

    def failed(self, reason: str, took_secs: float) -> None:
        """What was known stays, with its time. Said once."""
        if self._view.age_error is None:
            log.warning("the rows' ages cannot be measured", asset=self.asset.name, reason=reason)
        self._view.age_error = reason
        self._rest(took_secs)

    def _rest(self, took_secs: float) -> None:
        self._measured_at, self._took_secs = trio.current_time(), took_secs

    @property
    def due(self) -> float:
        """When it is to be measured again."""
        rest = min(LONGEST_REST_SECS, REST * self._took_secs)
        if self.asset.target_age_secs:
            rest = min(rest, max(REST_OF_TARGET * self.asset.target_age_secs, LEAST_REST * self._took_secs))
        return self._measured_at + rest

    def judge(self, now: float) -> None:
        """Whether the target age will be kept, by what is known now."""
        target = self.asset.target_age_secs
        if not target:
            self._objective = self._view.objective = None
            return
        if self._objective is None or self._objective.target_secs != target:
            self._objective = Objective(target, now)
        self._known_at = now if self._known_at is None else self._known_at
        if now - self._known_at > max(KNOWN_SECS, KNOWN_OF_TARGET * target):
            self._view.objective = unknown(target, now - self._known_at, self._view.age_error)
            return
        forecast = self._view.forecast()
        if self._ages is not None and forecast is not None:
            swept = self._view.swept if self._view.sweeps else None
            self._view.objective = self._objective.judge(now, self._ages, forecast, swept)


async def run(watched: Sequence[Watched], store: Store, *, task_status: trio.TaskStatus[None]) -> None:
    """Measure and judge for ever."""
    task_status.started()
    while True:
        for each in watched:
            if each.due <= trio.current_time():
                with effort():
                    await _measure(each, store)
            each.judge(trio.current_time())
        await trio.sleep(JUDGE_EVERY_SECS)


async def _measure(watched: Watched, store: Store) -> None:
    """Not `patiently`: that the ages are not known is no reason to say that Postgres is away."""
    began = trio.current_time()
    try:
        ages = await store.database.run(store_ages.measure, watched.asset)
    except (StoreDown, psycopg.Error) as error:
        watched.failed(str(error), trio.current_time() - began)
    else:
        took = trio.current_time() - began
        if ages is None:
            watched.failed("Postgres takes longer over it than is left to it", took)
        else:
            watched.measured(ages, took)


def freshness_of(chains: Iterable[ChainPorts], store: Store) -> list[ChildSpec]:
    """The actor, as the supervisor keeps it; none where there are only ledger rows."""
    watched = [Watched(ports.assets, ports.asset_views[name]) for ports in chains for name in ports.assets]

    async def keep(*, task_status: trio.TaskStatus[None]) -> None:
        await run(watched, store, task_status=task_status)

    return [ChildSpec("freshness", keep)] if watched else []
