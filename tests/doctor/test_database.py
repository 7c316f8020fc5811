"""What the doctor says of the connection to Postgres."""

from __future__ import annotations

import psycopg
import pytest

from actors.doctor import database
from actors.store.postgres import connect
from tests.role import CREATE, as_service


@pytest.mark.parametrize(("host", "mode"), [("127.0.0.1", "prefer"), ("localhost", "prefer"), ("/run/postgresql", "prefer"), ("db", "verify-full")])
def test_a_server_here_or_one_that_is_verified_is_well(host: str, mode: str) -> None:
    assert list(database.verified(host, mode)) == []


@pytest.mark.parametrize("mode", ["disable", "prefer", "require"])
def test_a_server_elsewhere_that_is_not_verified_is_a_hint(mode: str) -> None:
    (found,) = database.verified("db.internal", mode)
    assert (found.ok, found.text) == (True, f"whoever is between here and db.internal could pretend to be it: sslmode is {mode}")
    assert "sslmode=verify-full" in found.fix


def test_a_superuser_is_a_hint_and_the_service_s_own_role_is_none(database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        conn.execute(CREATE.encode())
    with connect(database_url) as conn:
        assert [found.text for found in database.look(conn)][1:] == ["postgres is a superuser, and the service needs few rights"]
    with connect(as_service(database_url)) as conn:
        assert len(list(database.look(conn))) == 1
