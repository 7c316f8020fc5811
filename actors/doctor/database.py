"""How the connection to Postgres stands: its version, whether it must be the Postgres that is meant, and what its user may do."""

from __future__ import annotations

from collections.abc import Iterator

from actors.doctor.finding import Finding, hint
from actors.host_names import is_loopback
from actors.store.postgres import Conn

VERIFIED = ("verify-ca", "verify-full")


def look(conn: Conn) -> Iterator[Finding]:
    """All of it."""
    yield Finding("database", f"PostgreSQL {conn.info.parameter_status('server_version')}")
    yield from verified(conn.info.host, conn.info.get_parameters().get("sslmode", "prefer"))
    row = conn.execute("select current_user, rolsuper from pg_roles where rolname = current_user").fetchone()
    if row and row[1]:
        text = f"{row[0]} is a superuser, and the service needs few rights"
        yield hint("database", text, "trueup init -c FILE --role NAME, and that role in database.url")


def verified(host: str, mode: str) -> Iterator[Finding]:
    """Whether somebody in between could pretend to be the server; on this machine there is nobody."""
    if mode not in VERIFIED and host and not host.startswith("/") and not is_loopback(host):
        text = f"whoever is between here and {host} could pretend to be it: sslmode is {mode}"
        yield hint("database", text, "?sslmode=verify-full&sslrootcert=FILE at the end of database.url")
