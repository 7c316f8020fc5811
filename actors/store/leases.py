"""Roles as leases in `trueup_leases`, by Postgres's own clock: of many copies of the process one is a chain's subscriber, one an asset's
sweeper.

A lease only keeps two copies from doing the same work. What keeps them from doing harm are the fences: the branch row and the checkpoint's
compare-and-set. No session lock is used, since poolers and frozen processes break them.
"""

from __future__ import annotations

from actors.store.postgres import Conn


def hold(conn: Conn, role: str, holder: str, secs: float) -> bool:
    """Take the role, or renew it, for so many seconds from now. False where another holder's lease is still running."""
    taken = conn.execute(
        """
        insert into trueup_leases as l (role, holder, until)
        values (%(role)s, %(holder)s, clock_timestamp() + make_interval(secs => %(secs)s))
        on conflict (role) do update set holder = excluded.holder, until = excluded.until
            where l.holder = excluded.holder or l.until < clock_timestamp()
        """,
        {"role": role, "holder": holder, "secs": secs},
    )
    return taken.rowcount == 1


def free(conn: Conn, holder: str) -> None:
    """Give all roles of the holder back, so that another copy has them at once."""
    conn.execute("delete from trueup_leases where holder = %s", [holder])
