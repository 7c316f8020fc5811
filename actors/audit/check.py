"""Reads rows again at the block that each names, and compares.

Rows of one block go into one question, several blocks are asked for at once. A row that differs is asked for a second time, elsewhere or
otherwise, and looked at again in its table; one that was written meanwhile, or that a reorg may have orphaned, is checked anew as it stands
then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio

from actors.audit.panel import Panel, Unread
from actors.audit.verdict import Answered, Drift, Findings, Row, Selected, Why, opinion_of, stand, suspects
from actors.budget.spender import AUDIT, Spender, spending
from actors.config import AssetConfig
from actors.log import get_logger
from actors.ports import ChainPorts, Store
from actors.progress import beat
from actors.store import audit

LOOKS = 4
LOOK_AGAIN_SECS = 0.5  # doubling: a reorg takes a closing to be seen, and its repairs a while
OnRows = Callable[[int], object]
log = get_logger("audit")


@dataclass(frozen=True, slots=True)
class Suspect:
    """A row that two readings found wrong, or that names a block that is not there."""

    row: Row
    found: int | None
    block_hash: str | None
    endpoints: tuple[str, ...]
    note: str = ""
    newest: int = 0


@dataclass
class _Look:
    """One look at some rows: suspects, and those that are to be looked at again, with why they count as uncheckable if that does not help."""

    findings: Findings
    suspects: list[Suspect] = field(default_factory=list)
    again: dict[str, Why] = field(default_factory=dict)


class Checker:
    """One asset's. `at_once`: how many blocks are asked for at a time; `on_rows` hears of how many rows one was asked for."""

    def __init__(
        self, ports: ChainPorts, asset: AssetConfig, store: Store, panel: Panel, at_once: int = 1, on_rows: OnRows = lambda count: None
    ) -> None:
        self._ports, self._asset, self._store, self.panel = ports, asset, store, panel
        self._at_once, self._on_rows = at_once, on_rows
        self._disputing = False

    async def check(self, selected: Selected) -> Findings:
        """What is right and wrong of the rows. The calls are the audit's, which takes what the sweep leaves."""
        findings = Findings()
        with spending(Spender(AUDIT, live=False, patient=True, last=True)):
            for left in reversed(range(LOOKS)):
                again = await self._look(selected, findings)
                if not again:
                    break
                if not left:
                    findings.uncheckable.update(again)
                    break
                beat()
                await trio.sleep(LOOK_AGAIN_SECS * 2 ** (LOOKS - 1 - left))
                selected = await self._store.patiently(audit.rows_of, self._asset, list(again))
        self._tell(findings)
        return findings

    async def _look(self, selected: Selected, findings: Findings) -> dict[str, Why]:
        """Sort the rows into the findings; the wallets that are to be looked at again."""
        look = _Look(findings)
        groups: dict[tuple[int, bool], list[Row]] = defaultdict(list)
        findings.miss((row for row in selected.rows if row.read_block is None), "never read")
        self._on_rows(sum(row.read_block is None for row in selected.rows))
        for row in selected.rows:
            if row.read_block is not None:
                groups[row.read_block, row.aside].append(row)  # who cannot be read now takes nobody along
        free = trio.Semaphore(self._at_once)
        async with trio.open_nursery() as nursery:
            # The newest first: the first block whose state is gone says so of all that are older.
            for (block, _), rows in sorted(groups.items(), key=lambda item: -item[0][0]):
                await free.acquire()
                nursery.start_soon(self._group, block, rows, look, free)
        await self._judge(look, selected.branch)
        return look.again

    async def _group(self, block: int, rows: Sequence[Row], look: _Look, free: trio.Semaphore) -> None:
        odd: Sequence[Row] = rows
        try:
            first = await self.panel.ask(block, [row.wallet for row in rows])
            odd = suspects(rows, first)
            lacking = [row for row in rows if first.sums[row.wallet] is None]
            look.findings.miss(lacking, "no sum")
            look.findings.checked += len(rows) - len(odd) - len(lacking)
            if odd:
                await self._confirm(block, odd, first, look)
        except Unread as unread:
            self._unread(unread, odd, look)
        finally:
            free.release()
        self._on_rows(len(rows))

    def _unread(self, unread: Unread, rows: Sequence[Row], look: _Look) -> None:
        """Rows that nobody could answer for."""
        if unread.cause == "ahead":
            look.suspects += [Suspect(row, None, None, unread.names, newest=unread.newest) for row in rows]
        elif unread.cause == "recent":
            look.again.update(dict.fromkeys([row.wallet for row in rows], "unsettled"))
        elif unread.cause == "pruned":
            look.findings.miss(rows, "pruned")
        else:
            look.findings.miss(rows, "unanswered")
            log.warning("rows cannot be checked", asset=self._asset.name, rows=len(rows), reason=str(unread))

    async def _confirm(self, block: int, odd: Sequence[Row], first: Answered, look: _Look) -> None:
        wallets = [row.wallet for row in odd]
        second = await self.panel.ask_again(first, block, wallets)
        preferred = await self.panel.hear_preferred((first.url, second.url), block, wallets)
        for row in odd:
            opinion = opinion_of(row, first, second, preferred)
            if opinion == "wrong":
                look.suspects.append(Suspect(row, first.sums[row.wallet], first.block_hash, *_evidence(row, first, second, preferred)))
            elif opinion == "right":
                look.findings.checked += 1
                log.warning("one reading contradicts the row, another one does not", wallet=row.wallet, block=block, endpoint=first.endpoint)
            elif opinion == "no sum":
                look.findings.miss([row], "no sum")
            else:
                look.again[row.wallet] = opinion
                if opinion == "disputed":
                    look.findings.disputes[row.wallet] = _dispute(row, first, second, preferred)

    def _tell(self, findings: Findings) -> None:
        """Forget disputes that are over; of the others, say once who contradicts whom."""
        left = {wallet: text for wallet, text in findings.disputes.items() if findings.uncheckable.get(wallet) == "disputed"}
        findings.disputes = left
        if left and not self._disputing:
            log.error("endpoints contradict each other", asset=self._asset.name, rows=len(left), row=next(iter(left.values())))
        self._disputing = bool(left) or (self._disputing and not findings.checked)

    async def _judge(self, look: _Look, branch: int) -> None:
        """Whether the suspects stand: if so, they are wrong."""
        if not look.suspects:
            return
        wallets, blocks = [one.row.wallet for one in look.suspects], [one.row.read_block or 0 for one in look.suspects]
        checkpoints = sorted({asset.checkpoint for asset in self._ports.assets.values()})
        now = await self._store.patiently(audit.look_again, self._asset, wallets, blocks, checkpoints)
        for one in look.suspects:
            how = stand(one.row, one.block_hash, branch, now)
            if how == "stands":
                look.findings.checked += 1
                note = ", ".join(filter(None, (one.note, now.notes.get(one.row.wallet))))
                drift = Drift(one.row, one.found, one.block_hash, one.endpoints, branch, note, max(one.newest, now.newest))
                look.findings.drifts.append(drift)
            elif how != "gone":
                look.again[one.row.wallet] = "unsettled"


def _evidence(row: Row, first: Answered, second: Answered, preferred: Answered | None) -> tuple[tuple[str, ...], str]:
    """Who contradicts the row, and who does not."""
    voices = [one for one in (first, second, preferred) if one is not None]
    against = [one.endpoint for one in voices if one.sums[row.wallet] == first.sums[row.wallet]]
    for_it = [one.endpoint for one in voices if str(one.sums[row.wallet]) == row.balance]
    return tuple(dict.fromkeys(against)), ", ".join(f"{name} says what the row says" for name in for_it)


def _dispute(row: Row, first: Answered, second: Answered, preferred: Answered | None) -> str:
    against, for_it = _evidence(row, first, second, preferred)
    said = f"{' and '.join(against)} says {first.sums[row.wallet]} at block {row.read_block}"
    return f"the endpoints contradict each other: {row.wallet}: the row says {row.balance}, {said}, {for_it}"
