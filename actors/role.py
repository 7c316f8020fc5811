"""Roles: of many copies of the process, one is a chain's subscriber and one an asset's sweeper.

Whoever holds the lease works; the others wait and look after it every few seconds, so that a role moves within seconds of its holder's
death. A holder whose renewal finds another in its place stops at once. While Postgres is away nobody can take the role, so its holder
goes on; whatever a frozen holder still tries when it wakes fails at the fences (see `store/leases.py`).
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Awaitable, Callable

import trio

from actors.log import get_logger
from actors.ports import Store
from actors.progress import effort
from actors.store import leases

LEASE_SECS = 6.0
RENEW_SECS = 2.0
log = get_logger("role")


def new_holder() -> str:
    """A name for this process that no other one has or had."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


async def while_holding(
    store: Store, role: str, holder: str, work: Callable[[], Awaitable[None]], meanwhile: Callable[[], Awaitable[None]]
) -> None:
    """Run `work` for as long as the role is ours, again and again; `meanwhile` is run every few seconds while it is another's."""
    while True:
        while not await _hold(store, role, holder):
            await meanwhile()
            await trio.sleep(RENEW_SECS)
        log.info("holds the role", role=role)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            while await _hold(store, role, holder):
                await trio.sleep(RENEW_SECS)
            nursery.cancel_scope.cancel()
        log.warning("lost the role to another copy", role=role)


async def _hold(store: Store, role: str, holder: str) -> bool:
    """Take it or renew it. All roles share one connection: one that waits for a frozen server longer than `progress_secs` is the watchdog's,
    as any other work in hand.
    """
    with effort():
        return await store.patiently(leases.hold, role, holder, LEASE_SECS)
