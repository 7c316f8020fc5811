"""The auditor of one asset: at a slow steady pace it reads random rows again at the block that each names, and has wrong ones mended.

What it finds is recorded in `trueup_audit` before it is mended. A mend is an errand like a tick of the sweep: a touch, which is read at a
block that is not older than the row's, and written by the writer. Then the row is checked once more. One that is wrong still is shown as
`blocked`: it is looked at in each tick (of very many, some are), and not mended again.
On crash or kill: open errands are seen through, and recorded rows without an outcome are checked anew.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from random import Random

import trio

from actors.audit.check import Checker
from actors.audit.draw import Drawing
from actors.audit.panel import Panel
from actors.audit.sample import Pace, pace_of, places_for, some
from actors.audit.tally import Tally
from actors.audit.verdict import Drift, Findings, Selected
from actors.child import ChildSpec
from actors.config import AssetConfig, Config
from actors.log import get_logger
from actors.messages import Repair, Touch
from actors.ports import ChainPorts, Store
from actors.progress import effort
from actors.role import while_holding
from actors.store import audit
from actors.store.audit import MENDED

LINES_AT_ONCE = 10
BLOCKED_LOOKED_AT = 20  # a tick
SET_ASIDE, BLOCKED, DELETED = "set aside", "blocked", "deleted"
log = get_logger("audit")


class Auditor:
    """One incarnation. `tally`, `checker` and `drawing` outlive it; `rows_a_minute` are as they are configured now."""

    def __init__(
        self,
        ports: ChainPorts,
        asset: AssetConfig,
        store: Store,
        rows_a_minute: Callable[[], int],
        tally: Tally,
        checker: Checker,
        drawing: Drawing,
    ) -> None:
        self._ports, self._asset, self._store, self._rows_a_minute = ports, asset, store, rows_a_minute
        self._tally, self._checker, self._drawing = tally, checker, drawing
        self._rng = Random(random.getrandbits(64))

    async def stand_by(self) -> None:
        """Another copy of the process audits."""

    def _pace(self) -> Pace:
        return pace_of(self._rows_a_minute())

    async def run(self) -> None:
        """Tick for ever."""
        for errand in self._ports.book.open_of("audit", self._ports.config.name, self._asset.name):
            await self._ports.see_through(errand, live=False)
        while True:
            began = trio.current_time()
            with effort():
                await self._conclude()
                await self._tick()
            await self._ports.timers.sleep_until(partial(self._next, began))

    def _next(self, last: float) -> float:
        return last + self._pace().interval_secs

    async def _tick(self) -> None:
        """Draw, check, and mend. Whoever is killed before what is wrong is recorded draws it again some time."""
        rows = self._pace().rows
        share = self._tally.share()
        wanted = places_for(rows, 1.0 if share is None else share)
        drawn = await self._drawing.draw(self._store, self._asset, wanted, rows, self._rng)
        self._tally.too_slow = self._drawing.too_slow
        if drawn is None:
            return
        gone_to = self._checker.panel.gone_to()
        within = [row for row in drawn.rows if row.read_block is not None and row.read_block > gone_to]
        chosen = some(within, rows, self._rng)
        findings = await self._checker.check(Selected(chosen, drawn.branch))
        self._count(len(drawn.rows), len(chosen), len(drawn.rows) - len(within), findings)
        await self._mend([drift for drift in findings.drifts if self._tally.mends(drift.row.wallet)])

    def _count(self, drawn: int, chosen: int, known: int, findings: Findings) -> None:
        self._tally.add(drawn, chosen, known, findings)
        metrics, name = self._ports.metrics, self._asset.name
        metrics.audit_checked.labels(name).inc(findings.checked)
        metrics.audit_wrong.labels(name).inc(len(findings.drifts))
        metrics.audit_disputed.labels(name).inc(sum(why == "disputed" for why in findings.uncheckable.values()))

    async def _mend(self, drifts: Sequence[Drift]) -> None:
        """Record the evidence, have the rows read again, and look what came of it."""
        if not drifts:
            return
        for drift in drifts[:LINES_AT_ONCE]:
            log.error("a row is wrong", asset=self._asset.name, row=drift.text())
        await self._store.patiently(audit.record, self._asset, drifts)
        touches = [touch_of(self._asset.name, drift) for drift in drifts if not drift.row.aside]
        if touches:
            errand = self._ports.book.register("audit", self._ports.config.name, self._asset.name, touches)
            await self._ports.see_through(errand, live=False)
        await self._conclude(tried={drift.row.wallet for drift in drifts})

    async def _conclude(self, tried: set[str] | None = None) -> None:
        """What became of the recorded rows: those that were `tried` to mend just now, or all that were left open, of which the wrong ones
        are tried now.
        """
        known = set(await self._store.patiently(audit.unmended, self._asset)) if tried is None else tried
        wallets = known | (set(some(list(self._tally.blocked), BLOCKED_LOOKED_AT, self._rng)) if tried is None else set())
        if not wallets:
            return
        selected = await self._store.patiently(audit.rows_of, self._asset, sorted(wallets))
        findings = await self._checker.check(selected)
        wrong = {drift.row.wallet: drift for drift in findings.drifts}
        outcomes = outcomes_of(wallets, selected, findings, tried or set(self._tally.blocked))
        self._tally.mended += await self._store.patiently(audit.conclude, self._asset, sorted(outcomes.items()))
        self._show(outcomes, wrong)
        if tried is None:
            await self._mend([drift for wallet, drift in wrong.items() if wallet not in outcomes])

    def _show(self, outcomes: Mapping[str, str], wrong: Mapping[str, Drift]) -> None:
        for wallet, outcome in outcomes.items():
            if outcome == BLOCKED:
                if wallet not in self._tally.blocked:
                    log.error("a row is wrong still after it was read again", asset=self._asset.name, row=wrong[wallet].text())
                self._tally.block(wallet, f"is wrong still after it was read again: {wrong[wallet].text()}")
            else:
                self._tally.blocked.pop(wallet, None)


def outcomes_of(wallets: set[str], selected: Selected, findings: Findings, tried: set[str]) -> dict[str, str]:
    """What became of recorded wallets; one that is wrong and was not tried yet, or cannot be told of now, has no outcome."""
    wrong = {drift.row.wallet: drift for drift in findings.drifts}
    rows = {row.wallet: row for row in selected.rows}
    found: dict[str, str] = {}
    for wallet in wallets:
        row = rows.get(wallet)
        if row is None:
            found[wallet] = DELETED
        elif wallet in wrong and row.aside:
            found[wallet] = SET_ASIDE  # its next attempt mends it
        elif wallet in wrong and wallet in tried:
            found[wallet] = BLOCKED
        elif wallet not in wrong and wallet not in findings.uncheckable:
            found[wallet] = MENDED
    return found


def touch_of(asset: str, drift: Drift) -> Touch:
    """What mends a row: a reading that is not older than it. One that names a block that never was is the one case in which its `read_block`
    goes back outside of a reorg: no reading could ever replace it. What replaces it is of no block below the newest that is known: endpoints
    that have all fallen behind cannot put an older balance there.
    """
    row = drift.row
    wallet, block = bytes.fromhex(row.wallet[2:]), row.read_block or 0
    if drift.chain_balance is not None:
        return Touch(asset, wallet, need=block, live=False)
    return Touch(asset, wallet, need=drift.newest, live=False, repair=Repair(block, block, datetime.fromisoformat(row.updated_at), drift.branch))


def specs(config: Callable[[], Config], chains: Mapping[str, ChainPorts], stores: Mapping[str, Store], holder: str) -> list[ChildSpec]:
    """The auditors, one an asset; none where the audit is off. `config`: as it is now."""
    if not config().audit.rows_a_minute:
        return []
    return [
        _spec(ports, asset, stores, lambda: config().audit.rows_a_minute, holder) for ports in chains.values() for asset in ports.assets.values()
    ]


def _spec(
    ports: ChainPorts, asset: AssetConfig, stores: Mapping[str, Store], rows_a_minute: Callable[[], int], holder: str
) -> ChildSpec:
    tally, store = Tally(), stores["auditing"]
    ports.asset_views[asset.name].audit = tally.shown
    checker = Checker(ports, asset, store, Panel(ports, asset.name))
    make = partial(Auditor, ports, asset, store, rows_a_minute, tally, checker, Drawing())

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        auditor = make()
        task_status.started()
        await while_holding(stores["roles"], f"audit:{asset.table}", holder, auditor.run, auditor.stand_by)

    return ChildSpec(f"audit:{asset.name}", run)
