"""The private Postgres: it starts for any user, survives a crash, and never outlives us."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from actors.errors import TrueupError
from actors.sandbox import postgres
from actors.sandbox.postgres import PrivatePostgres
from tests.postgres_world import start_again
from tests.sandbox.orphans import outlived


def test_a_fresh_database_is_empty_and_dropped_for_good(postgres_server: PrivatePostgres) -> None:
    url = postgres_server.fresh("short_lived")
    with psycopg.connect(url) as conn:
        assert conn.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)
    postgres_server.drop("short_lived")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_what_was_committed_is_there_after_a_crash() -> None:
    with PrivatePostgres() as server:
        with psycopg.connect(server.url("postgres")) as conn:
            conn.execute("CREATE TABLE kept AS SELECT 7 AS value")
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(server.url("postgres"))
        start_again(server)
        with psycopg.connect(server.url("postgres")) as conn:
            assert conn.execute("SELECT value FROM kept").fetchone() == (7,)


def test_a_restart_keeps_the_port_and_hangs_up_on_everybody() -> None:
    with PrivatePostgres() as server, closing(psycopg.connect(server.url("postgres"))) as before:
        server.restart()
        with pytest.raises(psycopg.OperationalError):
            before.execute("SELECT 1")
        with psycopg.connect(server.url("postgres")) as after:
            assert after.execute("SELECT 1").fetchone() == (1,)


def test_another_one_at_its_port_is_not_taken_for_ours(postgres_server: PrivatePostgres) -> None:
    late = PrivatePostgres()
    late.port = postgres_server.port
    with pytest.raises(TrueupError, match="Postgres does not start"), late:
        pass


def test_its_folder_is_gone_afterwards() -> None:
    with PrivatePostgres() as server:
        folder = server._folder
        assert folder.exists()
    assert not folder.exists()


def test_it_ends_when_we_are_killed() -> None:
    assert not outlived("from actors.sandbox.postgres import PrivatePostgres as Started")


def test_a_folder_without_binaries_is_a_plain_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRUEUP_PG_BIN", str(tmp_path))
    with pytest.raises(TrueupError, match="TRUEUP_PG_BIN"):
        postgres.binaries()
