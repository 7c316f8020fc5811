"""One connection to Postgres, used from Trio: a unit of work is one function that runs in a thread and may be
cancelled at any time.

`run` returns what the unit returned, or raises: `Cancelled` only if the unit was rolled back, `StoreDown`
where the same unit may succeed later (server away, shutting down, read-only, full, a lock or statement
timeout, a deadlock), and everything else as it is. The connection is made when it is first needed and made
again after it was lost.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias, TypeVar

import outcome
import psycopg
import trio
from psycopg.pq import TransactionStatus

from actors.errors import ConfigError, StoreDown
from actors.progress import waiting_for_others

T = TypeVar("T")
Conn: TypeAlias = psycopg.Connection[tuple[Any, ...]]

DOWN = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.ReadOnlySqlTransaction,
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
)
LIMIT_EXCEEDED_CLASS = "54"
# A frozen server keeps no timeout of its own.
UNIT_SECS = 75.0
# By SET and not as start-up parameters, which poolers refuse. The operator's date style is for people: times are read as ISO texts.
SESSION = """
set datestyle = 'ISO';
set statement_timeout = '60s';
set idle_in_transaction_session_timeout = '10s';
set client_min_messages = 'warning'
"""


class Database:
    """One connection. Units run one at a time, in the order in which they were asked for."""

    def __init__(self, url: str, name: str) -> None:
        self._url, self.name = url, name
        self._conn: Conn | None = None
        self._lock = trio.Lock()
        self._limiter = trio.CapacityLimiter(1)

    async def run(self, fn: Callable[..., T], *args: Any, grace: float = 5.0) -> T:
        """Run `fn(conn, *args)`; on a cancel the server gets `grace` seconds to give up the statement, then
        the socket is cut.
        """
        with waiting_for_others():
            await self._lock.acquire()
        try:
            try:
                conn = await self._connected()
                return await self._unit(conn, fn, args, grace)
            except psycopg.Error as error:
                if not is_down(error):
                    raise
                if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
                    self._drop()  # a standby: the next connection may find the primary
                raise StoreDown(f"database: {one_line(error)}") from error
            finally:
                self._drop_unless_idle()
        finally:
            self._lock.release()

    async def aclose(self) -> None:
        """Close the connection; a later `run` would open it again."""
        with trio.CancelScope(shield=True):
            async with self._lock:
                self._drop()

    async def _connected(self) -> Conn:
        if self._conn is None or self._conn.closed:
            # libpq would make PGTZ the session's time zone; `updated_at` is in the database's own.
            os.environ.pop("PGTZ", None)
            attempt = _Attempt(self._url)
            try:
                self._conn = await trio.to_thread.run_sync(
                    attempt.connect, abandon_on_cancel=True, limiter=trio.CapacityLimiter(1)
                )
            except BaseException:
                attempt.abandon()
                raise
        return self._conn

    async def _unit(self, conn: Conn, fn: Callable[..., T], args: tuple[Any, ...], grace: float) -> T:
        result: list[outcome.Outcome[T]] = []
        done = trio.Event()

        async def work() -> None:
            with trio.CancelScope(shield=True):
                result.append(await outcome.acapture(trio.to_thread.run_sync, fn, conn, *args, limiter=self._limiter))
            done.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(work)
            try:
                with trio.move_on_after(UNIT_SECS) as late:
                    await done.wait()
                if late.cancelled_caught:
                    with trio.CancelScope(shield=True):
                        await _abort(conn, done, grace)
            except trio.Cancelled:  # noqa: ASYNC103  # what was committed is no cancellation: see below
                with trio.CancelScope(shield=True):
                    await _abort(conn, done, grace)
                if isinstance(result[0], outcome.Error):
                    raise
                # It committed before the cancel reached it: that is the result, and the next checkpoint
                # raises.
        return result[0].unwrap()

    def _drop(self) -> None:
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    def _drop_unless_idle(self) -> None:
        if self._conn is not None and self._conn.info.transaction_status != TransactionStatus.IDLE:
            self._drop()


class _Attempt:
    """A connect that may be abandoned, since nothing can interrupt it: whoever comes last closes the
    connection.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._abandoned = False
        self._conn: Conn | None = None

    def connect(self) -> Conn:
        conn = connect(self._url)
        with self._lock:
            if self._abandoned:
                conn.close()
            self._conn = conn
        return conn

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            if self._conn is not None:
                self._conn.close()


def connect(url: str) -> Conn:
    """A connection as every part of trueup uses it: autocommit, so that a unit's transactions are its own."""
    try:
        conn = psycopg.connect(
            url,
            autocommit=True,
            prepare_threshold=None,  # poolers hand out another session for each transaction
            application_name="trueup",
            connect_timeout=5,
            keepalives_idle=10,
            keepalives_interval=5,
            keepalives_count=3,
        )
    except psycopg.ProgrammingError:
        # libpq's own message repeats parts of the URL, the password perhaps among them.
        raise ConfigError("database.url: expected postgresql://user:password@host:port/name") from None
    try:
        conn.execute(SESSION)
    except BaseException:
        conn.close()
        raise
    return conn


async def _abort(conn: Conn, done: trio.Event, grace: float) -> None:
    """End the unit in flight. Repeats, as a cancel that arrives between two statements hits nothing."""
    deadline = trio.current_time() + grace
    while not done.is_set():
        if trio.current_time() > deadline:
            _cut(conn)
            await done.wait()
            return
        with suppress(psycopg.Error):
            await trio.to_thread.run_sync(_cancel, conn, limiter=trio.CapacityLimiter(1))
        with trio.move_on_after(0.05):
            await done.wait()


def _cancel(conn: Conn) -> None:
    conn.cancel_safe(timeout=1.0)


def _cut(conn: Conn) -> None:
    """Wake the thread that waits for a frozen server."""
    try:
        sock = socket.socket(fileno=os.dup(conn.fileno()))
    except (psycopg.Error, OSError):
        return
    with sock, suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def within_time(conn: Conn, most_ms: int, ask: Callable[[], T]) -> T | None:
    """What `ask` reads in a transaction whose statements have so long each; None where Postgres would have taken longer. That is no outage,
    and must not be taken for one.
    """
    try:
        with conn.transaction():
            conn.execute(f"set local statement_timeout = {int(most_ms)}".encode())
            return ask()
    except psycopg.errors.QueryCanceled:
        return None


def is_down(error: psycopg.Error) -> bool:
    """Whether the same unit of work may succeed later."""
    return isinstance(error, DOWN) and not (error.sqlstate or "").startswith(LIMIT_EXCEEDED_CLASS)


def one_line(error: BaseException) -> str:
    """The error's text in one line."""
    return " ".join(str(error).split()) or type(error).__name__
