"""The connection: cancels, losses, and whose fault an error is."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

import psycopg
import pytest
import trio

from actors.errors import ConfigError, StoreDown
from actors.store.postgres import Conn, Database, connect
from tests.store.scene import Store, reading


@pytest.fixture
async def database(store: Store) -> AsyncIterator[Database]:
    database = Database(store.url, "test")
    yield database
    await database.aclose()


def one(conn: Conn, query: str) -> Any:
    return conn.execute(query.encode()).fetchone()


def insert_then(conn: Conn, started: trio.Event, query: str) -> None:
    with conn.transaction():
        conn.execute("set local statement_timeout = 0")  # nothing but the cancel is to end it
        conn.execute("insert into trueup_chains (chain) values ('half')")
        trio.from_thread.run_sync(started.set)
        conn.execute(query.encode())


async def cancelled_in(database: Database, unit: Callable[..., Any], *args: Any) -> None:
    """Run a unit and cancel it once it has begun; no socket is cut because a busy server is slow to give it up."""
    started = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(functools.partial(database.run, unit, started, *args, grace=60))
        await started.wait()
        nursery.cancel_scope.cancel()


async def test_cancelled_unit_leaves_no_half_transaction_and_the_connection_serves_on(database: Database) -> None:
    pid = await database.run(one, "select pg_backend_pid()")
    await cancelled_in(database, insert_then, "select pg_sleep(600)")
    assert await database.run(one, "select count(*) from trueup_chains where chain = 'half'") == (0,)
    assert await database.run(one, "select pg_backend_pid()") == pid


async def test_unit_that_committed_before_the_cancel_returns_its_result(database: Database) -> None:
    started = trio.Event()
    results: list[str] = []

    def commit(conn: Conn) -> str:
        with conn.transaction():
            conn.execute("insert into trueup_chains (chain) values ('whole')")
        trio.from_thread.run_sync(started.set)
        return "done"

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def run() -> None:
                results.append(await database.run(commit))

            async def cancel() -> None:
                await started.wait()
                scope.cancel()

            nursery.start_soon(run)
            nursery.start_soon(cancel)
    assert results == ["done"]
    assert await database.run(one, "select count(*) from trueup_chains where chain = 'whole'") == (1,)


async def test_units_run_one_at_a_time(database: Database) -> None:
    seen: list[int] = []

    def unit(conn: Conn, number: int) -> None:
        seen.append(number)
        conn.execute("select 1")
        seen.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(database.run, unit, number)
    assert seen[::2] == seen[1::2]


async def test_server_that_nobody_answers_for_is_down() -> None:
    with pytest.raises(StoreDown, match=r"^database: [^\n]+$"):
        await Database("postgresql://127.0.0.1:1/none", "test").run(one, "select 1")


async def test_lost_connection_is_down_and_made_anew(database: Database, store: Store) -> None:
    def lose(conn: Conn) -> None:
        store.one("select pg_terminate_backend(%s)", conn.info.backend_pid)
        conn.execute("select pg_sleep(600)")

    with pytest.raises(StoreDown):
        await database.run(lose)
    assert await database.run(one, "select 1") == (1,)


async def test_server_that_refuses_is_down_until_it_does_not(database: Database, store: Store) -> None:
    (name,) = store.one("select current_database()")
    store.conn.execute(f"alter database {name} with connection limit 0".encode())
    store.conn.execute("create role trueup_guest_of_test login")
    try:
        guest = Database(psycopg.conninfo.make_conninfo(store.url, user="trueup_guest_of_test"), "guest")
        with pytest.raises(StoreDown):
            await guest.run(one, "select 1")
        store.conn.execute(f"alter database {name} with connection limit -1".encode())
        assert await guest.run(one, "select 1") == (1,)
        await guest.aclose()
    finally:
        store.conn.execute("drop role trueup_guest_of_test")


async def test_server_that_is_read_only_is_down_until_it_is_not(database: Database, store: Store) -> None:
    (name,) = store.one("select current_database()")
    store.conn.execute(f"alter database {name} set default_transaction_read_only = on".encode())

    def unit(conn: Conn) -> None:
        Store(conn, store.url).write(reading(1, 10, 100))

    with pytest.raises(StoreDown, match="read-only"):
        await database.run(unit)
    store.conn.execute(f"alter database {name} reset default_transaction_read_only".encode())
    await database.run(unit)
    assert store.row(1) == (10, None, 100)


async def test_statement_that_takes_too_long_is_down(database: Database) -> None:
    def unit(conn: Conn) -> None:
        with conn.transaction():
            conn.execute("set local statement_timeout = 1")
            conn.execute("select pg_sleep(600)")

    with pytest.raises(StoreDown, match="statement timeout"):
        await database.run(unit)


async def test_bug_in_a_unit_is_nobody_elses_fault(database: Database) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        await database.run(one, "select 1 from nowhere")
    with pytest.raises(ZeroDivisionError):
        await database.run(lambda conn: 1 // 0)
    assert await database.run(one, "select 1") == (1,)


async def test_unit_that_forgets_its_transaction_costs_its_connection(database: Database) -> None:
    before = await database.run(one, "select pg_backend_pid()")
    await database.run(lambda conn: conn.execute("begin") and None)
    assert await database.run(one, "select pg_backend_pid()") != before


async def test_session_is_bounded_and_names_itself(database: Database) -> None:
    assert await database.run(one, "select current_setting('statement_timeout'), current_setting('application_name')") == (
        "1min",
        "trueup",
    )


async def test_url_that_is_none_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        await Database("postgresql://me:s3cret@[oops/db", "test").run(one, "select 1")
    assert "s3cret" not in str(caught.value)
    assert "database.url" in str(caught.value)


def test_connection_is_closed_when_its_setup_fails(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    monkeypatch.setattr("actors.store.postgres.SESSION", "set nonsense.")
    with pytest.raises(psycopg.Error):
        connect(database_url)
