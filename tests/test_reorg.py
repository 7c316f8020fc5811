"""Where a reorg forks: below every orphaned block, and not within what an orphaned closing asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import trio

from actors.errand import Errand, ErrandBook
from actors.messages import Touch
from actors.reorg import Reorgs, fork_of
from actors.store import chain, holders
from actors.store.holders import RowState

A, B = b"\xaa" * 32, b"\xbb" * 32


def test_the_fork_is_the_newest_block_that_stands_below_every_orphaned_one() -> None:
    remembered = [(90, A), (95, A), (97, A), (98, A), (99, B)]
    assert fork_of(remembered, [(97, A), (98, A)], None) == 95


def test_a_reading_of_the_new_branch_does_not_vouch_for_logs_of_the_old_one() -> None:
    # The closing to (100, A) had asked above 90; while it was under way, something was read at (99, B).
    remembered = [(90, A), (99, B), (100, A), (100, B)]
    assert fork_of(remembered, [(100, A)], 90) == 90
    assert fork_of(remembered, [(100, A)], None) == 99


def test_a_reorg_deeper_than_what_is_remembered_begins_below_the_oldest_orphan() -> None:
    assert fork_of([(97, A)], [(97, A)], None) == 96
    assert fork_of([(97, A)], [(97, A)], 90) == 90


class Elsewhere:
    """Postgres, and a node that answers slowly: meanwhile another copy of the process heals a reorg of its own, to branch 3."""

    def __init__(self) -> None:
        self.rows = [RowState(bytes(20), 105, 104, datetime(2026, 1, 1), True, False)]
        self.forgotten: list[int] = []
        self.repairs: list[Touch] = []
        counter: Any = SimpleNamespace(labels=lambda *names: SimpleNamespace(inc=lambda: None))
        self.view: Any = SimpleNamespace(branch=1, closed=None)
        self.ports: Any = SimpleNamespace(
            config=SimpleNamespace(name="c"),
            assets={"A": SimpleNamespace(name="A", checkpoint="a", table="t")},
            asset_views={"A": SimpleNamespace(checkpoint_block=105)},
            metrics=SimpleNamespace(reorgs=counter),
            book=ErrandBook(),
            view=self.view,
            store=self,
            see_through=self.see_through,
        )

    async def patiently(self, fn: Callable[..., Any], *args: Any) -> Any:
        await trio.lowlevel.checkpoint()
        if fn is chain.reorg:
            return 2, True
        if fn is holders.above:
            found, self.rows = self.rows, []
            return found
        assert fn is chain.forget
        self.forgotten.append(args[2])

    async def header(self, number: int) -> None:
        await trio.lowlevel.checkpoint()
        self.view.branch = 3

    async def see_through(self, errand: Errand, live: bool) -> None:
        await trio.lowlevel.checkpoint()
        self.repairs += [item for item in errand.pending.values() if isinstance(item, Touch)]


async def test_the_repairs_of_a_reorg_are_of_its_own_branch_though_another_copy_goes_on_to_the_next_meanwhile() -> None:
    elsewhere: Any = Elsewhere()
    await Reorgs(elsewhere.ports)._heal(elsewhere, 100, [(105, A)], [(100, A), (105, A)])
    assert elsewhere.view.branch == 3
    assert [touch.repair.branch for touch in elsewhere.repairs] == [2]
    assert elsewhere.forgotten == [2]
