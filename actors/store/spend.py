"""What calls to nodes have cost, by day, actor and method, of all processes together."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from actors.budget.month import MonthSpent, month_of
from actors.budget.spender import PATIENT
from actors.budget.tally import Key, Spent
from actors.store.postgres import Conn


def book(conn: Conn, chain: str, spent: Mapping[Key, Spent], starts_on: int) -> MonthSpent:
    """Add to today's rows, and say what the chain's month has cost so far; all by Postgres's clock, in UTC."""
    with conn.transaction():
        row = conn.execute("select clock_timestamp() at time zone 'UTC'").fetchone()
        assert row is not None
        now: datetime = row[0]
        # In one order for all, since two processes add to the same rows.
        for (actor, method), (calls, units) in sorted(spent.items()):
            conn.execute(
                """
                insert into trueup_spend as s (chain, day, actor, method, calls, units) values (%s, %s, %s, %s, %s, %s)
                on conflict (chain, day, actor, method) do update
                    set calls = s.calls + excluded.calls, units = s.units + excluded.units
                """,
                [chain, now.date(), actor, method, calls, units],
            )
        begins, ends = month_of(now, starts_on)
        row = conn.execute(
            """
            select coalesce(sum(units), 0)::bigint, coalesce(sum(units) filter (where actor <> all(%(patient)s)), 0)::bigint, min(day)
            from trueup_spend where chain = %(chain)s and day >= %(begins)s
            """,
            {"chain": chain, "begins": begins.date(), "patient": list(PATIENT)},
        ).fetchone()
    assert row is not None
    units, live, first = row
    since = now if first is None else datetime.combine(first, datetime.min.time())
    return MonthSpent(units, live, (now - since).total_seconds(), (ends - now).total_seconds())


def by_day(conn: Conn, chain: str, days: int) -> list[dict[str, Any]]:
    """The latest days of a chain on which anything was spent, oldest first: `day`, `calls` and `units`, of all processes."""
    rows = conn.execute(
        """
        select day, sum(calls)::bigint, sum(units)::bigint from trueup_spend
        where chain = %s and day > (clock_timestamp() at time zone 'UTC')::date - %s group by day order by day
        """,
        [chain, days],
    )
    return [{"day": day.isoformat(), "calls": calls, "units": units} for day, calls, units in rows]
