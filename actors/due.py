"""The batcher's look at the set-aside wallets: those whose next attempt is due become touches, and what is shown of them is counted."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from actors.errors import StoreDown
from actors.messages import Touch
from actors.ports import ChainPorts
from actors.progress import effort
from actors.store import holders, set_aside

DUE_EVERY_SECS = 5.0
DUE_AT_ONCE = 100
SHOWN = 20


async def take_due(ports: ChainPorts) -> None:
    """Set-aside wallets whose next attempt is due; Postgres holds them, so that nothing is lost with this task."""
    tables = {asset.table: name for name, asset in ports.assets.items()}
    while True:
        branch = ports.view.branch
        with effort():
            try:
                due = await ports.store.database.run(set_aside.due, list(tables), DUE_AT_ONCE)
            except StoreDown:
                due = []
            await _count_set_aside(ports, tables)
        for row in due:
            block = row.block or 0
            touch = Touch(tables[row.table], row.wallet, block, row.block, live=False, suspect=True, event_branch=branch)
            ports.hand.put(touch)
        if due:
            ports.hand_bell.ring()
        await trio.sleep(DUE_EVERY_SECS)


async def _count_set_aside(ports: ChainPorts, tables: Mapping[str, str]) -> None:
    """What is shown of the set-aside wallets and of the rows, as often as the due ones are asked for."""
    for table, name in tables.items():
        view, asset = ports.asset_views[name], ports.assets[name]
        try:
            view.set_aside = await ports.store.database.run(set_aside.count, [table])
            shown = await ports.store.database.run(set_aside.shown, table, SHOWN) if view.set_aside else []
            view.set_aside_wallets = shown
            view.tracked_wallets = await ports.store.database.run(holders.count, asset)
        except StoreDown:
            return
