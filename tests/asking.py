"""What a test asks its database, over connections that stay open until the test ends: to connect takes ten times as long as to ask, and a
wait asks every few milliseconds.
"""

from __future__ import annotations

import select
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import ExecStatus

Conn = psycopg.Connection[Any]
_idle: dict[str, list[Conn]] = defaultdict(list)


def ask(url: str, statement: str, *args: Any) -> list[tuple[Any, ...]]:
    """One statement, committed; its rows. Threads that ask at the same time have a connection each."""
    with _lent(url) as conn:
        cursor = conn.execute(statement.encode(), args)
        there = cursor.pgresult is not None and cursor.pgresult.status == ExecStatus.TUPLES_OK  # `SELECT FROM` has rows of no columns
        return cursor.fetchall() if there else []


@contextmanager
def _lent(url: str) -> Iterator[Conn]:
    conn = _idle_one(url) or _connected(url)
    try:
        yield conn
    except BaseException:
        conn.close()
        raise
    _idle[url].append(conn)


def _idle_one(url: str) -> Conn | None:
    while _idle[url]:
        conn = _idle[url].pop()
        if not select.select([conn], [], [], 0)[0]:
            return conn
        conn.close()  # its server said something by itself: that it ends
    return None


def _connected(url: str) -> Conn:
    # What it prepares would be for the tables as they were: tests alter them.
    return psycopg.connect(url, autocommit=True, prepare_threshold=None)


def leave() -> None:
    """Close the connections that nobody is asking over."""
    while _idle:
        for conn in _idle.popitem()[1]:
            conn.close()
