"""The service in a test has the role of least privileges, as in production; what the test itself asks and does, it does as the owner."""

from __future__ import annotations

import psycopg

from actors.config import Config
from actors.store import privileges, schema

ROLE = privileges.ROLE
CREATE = f"DO $$ BEGIN CREATE ROLE {ROLE} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$"


def as_service(url: str) -> str:
    """The service's URL of a database, from its owner's."""
    assert "//postgres@" in url
    return url.replace("//postgres@", f"//{ROLE}@")


def make_role(url: str) -> None:
    """Once for all databases of a server."""
    with psycopg.connect(url) as conn:
        conn.execute(CREATE)


def init(url: str, config: Config) -> None:
    """What the owner does before the service starts: `trueup init --role`."""
    with psycopg.connect(url) as conn:
        conn.execute(CREATE)
        schema.init(conn, config)
        privileges.grant(conn, config, ROLE)
