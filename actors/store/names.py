"""Names of tables as the config writes them: `name`, `schema.name`, and a part in double quotes where it
holds a dot.

A part is taken as it is written, upper case included; nothing is ever pasted into SQL but through
`psycopg.sql`.
"""

from __future__ import annotations

import re

from psycopg import sql

from actors.errors import ConfigError

_PART = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')
MAX_PARTS = 3
# Postgres has no NUL, and psycopg would take a percent sign inside an identifier for a placeholder.
REFUSED = {"\0", "%"}


def parts(name: str) -> tuple[str, ...]:
    """The parts of a possibly qualified and quoted name."""
    found: list[str] = []
    at = 0
    while match := _PART.match(name, at):
        found.append(match[1].replace('""', '"') if match[1] else match[2])
        at = match.end()
        if at == len(name) and len(found) <= MAX_PARTS and not REFUSED.intersection(name):
            return tuple(found)
        if name[at : at + 1] != ".":
            break
        at += 1
    raise ConfigError(f'table: expected a name, schema.name or "quoted".name, got {name!r}')


def table(name: str) -> sql.Identifier:
    """The table as an identifier for a statement."""
    return sql.Identifier(*parts(name))


def put_together(statement: sql.Composable) -> sql.SQL:
    """A statement's parts as one text, for who keeps it: to put them together takes as long as a small statement itself. As text, since
    each connection has an encoding of its own.
    """
    return sql.SQL(statement.as_string(None))


def schema_of(name: str) -> str | None:
    """The schema that the name spells out."""
    return parts(name)[-2] if len(parts(name)) > 1 else None
