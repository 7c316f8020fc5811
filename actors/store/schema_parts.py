"""The named parts of `schema.sql`, and what of them a database lacks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from psycopg import sql

from actors.store.postgres import Conn


@cache
def parts() -> dict[str, str]:
    """The named parts of `schema.sql`: beside the package in a checkout, inside it where it was installed."""
    here = Path(__file__).resolve().parents
    path = next(p for p in (here[2] / "schema.sql", here[1] / "schema.sql") if p.is_file())
    found = re.split(r"^-- part: (\w+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(found[1::2], found[2::2], strict=True))


def apply(conn: Conn, part: str, tables: Mapping[str, Sequence[str]]) -> list[str]:
    """Apply a part if something of its tables' columns is missing; what it was, a line each."""
    lacking = {name: missing(conn, sql.Identifier(name), columns) for name, columns in tables.items()}
    if any(lacking.values()):
        conn.execute(parts()[part])
    return [describe(name, found, tables[name]) for name, found in lacking.items() if found]


def describe(name: str, lacking: Sequence[str], columns: Sequence[str]) -> str:
    """What was made of a table that lacked some of the columns."""
    if len(lacking) == len(columns):
        return f"table {name}: created"
    return f"table {name}: added {', '.join(lacking)}"


def columns(conn: Conn, name: sql.Identifier) -> dict[str, str]:
    """A table's columns and their types; nothing where there is no such table."""
    rows = conn.execute(
        """
        select attname, format_type(atttypid, atttypmod) from pg_attribute
        where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped
        """,
        [name.as_string(conn)],
    )
    return {str(column): str(kind) for column, kind in rows}


def missing(conn: Conn, name: sql.Identifier, wanted: Sequence[str]) -> list[str]:
    """Which of the columns the table lacks: all of them where there is no such table."""
    found = columns(conn, name)
    return [column for column in wanted if column not in found]


def has_index(conn: Conn, name: sql.Identifier, column: str, *, unique: bool, nulls_first: bool = False) -> bool:
    """Whether an index over all rows begins with the column; a unique one must be on the column alone."""
    row = conn.execute(
        """
        select 1 from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
        where i.indrelid = to_regclass(%(table)s) and a.attname = %(column)s and i.indpred is null and i.indisvalid
            and (not %(unique)s or (i.indisunique and i.indnkeyatts = 1))
            and (not %(nulls_first)s or i.indoption[0] = 2)
        """,
        {"table": name.as_string(conn), "column": column, "unique": unique, "nulls_first": nulls_first},
    ).fetchone()
    return row is not None
