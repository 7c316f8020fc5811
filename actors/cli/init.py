"""`trueup init`: applies the parts of the schema that the config uses, and grants a role what the service needs; twice is harmless."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from typing import Any

import psycopg

from actors.cli import BAD_INPUT, fail
from actors.config import Config
from actors.store import privileges, schema

# Every table with its columns and its indexes, as (kind, table, name).
CATALOG = """
select 'column', format('%I.%I', n.nspname, c.relname), a.attname
from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
  and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
union all
select 'index', format('%I.%I', schemaname, tablename), indexname from pg_indexes
where schemaname not in ('pg_catalog', 'information_schema', 'pg_toast')
"""
Objects = set[tuple[str, str, str]]


def main(config: Config, args: Namespace) -> int:
    try:
        with psycopg.connect(config.database.url, connect_timeout=5, application_name="trueup") as connection:
            before = _objects(connection)
            schema.init(connection, config)
            after = _objects(connection)
            granted = privileges.grant(connection, config, args.role) if args.role else []
    except psycopg.Error as error:
        return fail(f"key database.url: {said(error)}", BAD_INPUT)
    for line in [*applied(before, after), *granted] or ["nothing to do: the schema is in place"]:
        print(line)
    return 0


def applied(before: Objects, after: Objects) -> Iterator[str]:
    """One line for each table, and for each column and index of a table that was there before."""
    tables = {table for _, table, _ in before}
    for table in sorted({table for _, table, _ in after} - tables):
        yield f"made table {table}"
    for kind, table, name in sorted(after - before):
        if table in tables:
            yield f"added {kind} {name} to {table}"


def said(error: psycopg.Error) -> str:
    """The first line of what Postgres said: the rest is where in a statement."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _objects(connection: psycopg.Connection[Any]) -> Objects:
    return {(kind, table, name) for kind, table, name in connection.execute(CATALOG)}
