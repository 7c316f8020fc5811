"""The pooler's double shows what a real one does to whoever trusts in a session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import trio

from tests.pooler import Pooler, pooling
from tests.world import eventually

POOLED = "FROM pg_stat_activity WHERE application_name = 'pooled' AND datname = current_database()"


@pytest.fixture
async def pooler(database_url: str) -> AsyncIterator[Pooler]:
    async with pooling(database_url, sessions=2) as pooler:
        yield pooler


async def connected(pooler: Pooler, **options: Any) -> psycopg.Connection[Any]:
    return await trio.to_thread.run_sync(lambda: psycopg.connect(pooler.url, autocommit=True, prepare_threshold=None, **options))


async def asked(conn: psycopg.Connection[Any], statement: str) -> Any:
    """The first value of the answer."""
    row = await trio.to_thread.run_sync(lambda: conn.execute(statement.encode()).fetchone())
    assert row is not None
    return row[0]


async def said(conn: psycopg.Connection[Any], statement: str) -> None:
    await trio.to_thread.run_sync(lambda: conn.execute(statement.encode()))


async def test_each_transaction_is_given_another_session(pooler: Pooler) -> None:
    with await connected(pooler) as conn:
        pids = [await asked(conn, "SELECT pg_backend_pid()") for _ in range(4)]
    assert pids[0] == pids[2] != pids[1] == pids[3]


async def test_one_transaction_stays_on_its_session(pooler: Pooler) -> None:
    with await connected(pooler) as conn:
        await said(conn, "BEGIN")
        assert len({await asked(conn, "SELECT pg_backend_pid()") for _ in range(4)}) == 1
        await said(conn, "COMMIT")


async def test_a_set_is_found_by_somebody_else_and_missed_by_who_made_it(pooler: Pooler) -> None:
    with await connected(pooler) as one, await connected(pooler) as other:
        await said(one, "SET statement_timeout = '77s'")
        found = [await asked(one, "SHOW statement_timeout"), await asked(other, "SHOW statement_timeout")]
    assert found == ["0", "77s"]


async def test_a_prepared_statement_is_not_there_any_more(pooler: Pooler) -> None:
    with await connected(pooler) as conn:
        await said(conn, "PREPARE one AS SELECT 1")
        with pytest.raises(psycopg.errors.InvalidSqlStatementName):
            await asked(conn, "EXECUTE one")


async def test_an_advisory_lock_is_held_by_the_session_and_not_by_the_client(pooler: Pooler) -> None:
    with await connected(pooler) as conn:
        await said(conn, "SELECT pg_advisory_lock(7)")
        assert not await asked(conn, "SELECT pg_try_advisory_lock(7)")


async def test_the_startup_parameter_options_is_refused(pooler: Pooler) -> None:
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
        await connected(pooler, options="-c statement_timeout=1")
    assert pooler.refused == ["options"]


async def test_who_leaves_in_the_middle_of_a_transaction_leaves_nothing_behind(pooler: Pooler, database_url: str) -> None:
    conn = await connected(pooler)
    await said(conn, "CREATE TABLE kept (value int)")
    await said(conn, "BEGIN")
    await said(conn, "INSERT INTO kept VALUES (1)")
    conn.close()
    await eventually(lambda: _sessions_in_a_transaction(database_url) == 0, "the rollback")
    with await connected(pooler) as other:
        assert await asked(other, "SELECT count(*) FROM kept") == 0


def _sessions_in_a_transaction(url: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute(f"SELECT count(*) {POOLED} AND xact_start IS NOT NULL".encode()).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_cancel_reaches_the_session_of_the_moment(pooler: Pooler, database_url: str) -> None:
    with await connected(pooler) as conn:
        async with trio.open_nursery() as nursery:

            async def sleep() -> None:
                with pytest.raises(psycopg.errors.QueryCanceled):
                    await asked(conn, "SELECT pg_sleep(600)")

            nursery.start_soon(sleep)
            await eventually(lambda: _sessions_in_a_transaction(database_url) == 1, "the statement")
            await trio.to_thread.run_sync(conn.cancel_safe)  # `cancel` would hold the GIL, which the pooler needs
        assert await asked(conn, "SELECT 1") == 1


async def test_a_session_that_the_server_closed_is_replaced(pooler: Pooler, database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as direct:
        direct.execute(f"SELECT pg_terminate_backend(pid) {POOLED}".encode())
    await eventually(lambda: _pooled(database_url) == 0, "the end of the sessions")
    with await connected(pooler) as conn:
        assert await asked(conn, "SELECT 1") == 1


def _pooled(url: str) -> int:
    with psycopg.connect(url) as conn:
        row = conn.execute(f"SELECT count(*) {POOLED}".encode()).fetchone()
    assert row is not None
    return int(row[0])
