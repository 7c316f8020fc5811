"""The columns of a holders' table that move together, where a reading is not older than the row: the one list of them.

A further one is a line here and one in `schema.sql`: every statement that writes rows, one by one or in pages, is made from this list.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from actors.messages import PageReading, Reading

# The database's local time at which a value of that age was asked for. Its clock is read once, as the statement begins, and the age
# taken just before: a row that somebody else holds may make the statement wait, and the transaction has waited for others before.
CLOCK = sql.SQL("t as materialized (select clock_timestamp() as at)")
READ_AT = "((select t.at from t) - make_interval(secs => r.updated_at))::timestamp"
# Whether a reading is not older than the row.
NEWER = sql.SQL("(h.read_block is null or r.read_block >= h.read_block)")
INSERTED_NEWER = sql.SQL("(h.read_block is null or excluded.read_block >= h.read_block)")
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Moving:
    """A column. `of`: what a statement is given of a reading, or of a page's, at the monotonic time `now`, as `r.<name>` of the SQL type
    `kind`; `stored`: what of that is stored, where it is not the thing itself.
    """

    name: str
    kind: str
    of: Callable[[Reading | PageReading, float], int | float | str | None]
    stored: str = ""

    @property
    def value(self) -> sql.Composable:
        """What is stored, as SQL."""
        return sql.SQL(self.stored) if self.stored else sql.SQL("r.{}").format(sql.Identifier(self.name))


OF_READING = (
    Moving("read_block", "bigint", lambda reading, now: reading.block),
    Moving("updated_at", "float8", lambda reading, now: max(0.0, now - reading.read_at), READ_AT),  # handed over as its age
)
BALANCE = Moving("balance", "numeric", lambda reading, now: None)  # a page's are one text: who writes hands them over
COLUMNS = (BALANCE, *OF_READING)

NAMES = sql.SQL(", ").join(sql.Identifier(column.name) for column in COLUMNS)
VALUES = sql.SQL(", ").join(column.value for column in COLUMNS)


def given(reading: Reading | PageReading, now: float) -> dict[str, Any]:
    """What of a reading all its rows share, by column."""
    return {column.name: column.of(reading, now) for column in OF_READING}


def updated(moves: sql.Composable) -> sql.Composed:
    """Of an update: each column becomes the reading's, where `moves`."""
    return _assigned(moves, lambda column: column.value)


def _assigned(moves: sql.Composable, value: Callable[[Moving], sql.Composable]) -> sql.Composed:
    each = sql.SQL("{name} = case when {moves} then {value} else h.{name} end")
    return sql.SQL(", ").join(each.format(name=sql.Identifier(column.name), moves=moves, value=value(column)) for column in COLUMNS)


# Of an upsert: each column becomes what was to be inserted, where that is not older.
INSERTED = _assigned(INSERTED_NEWER, lambda column: sql.SQL("excluded.{}").format(sql.Identifier(column.name)))
