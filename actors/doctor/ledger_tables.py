"""The second seed's tables: which of them, their columns, keys and indexes are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg import sql

from actors.config import LedgerConfig
from actors.doctor.finding import Finding, hint, wrong
from actors.doctor.ledger_lookups import lookups_that_work
from actors.store.ledger import BALANCES, columns
from actors.store.ledger_schema import LEDGER_CHAINS, LOOKUP, NEEDED, REFERENCES
from actors.store.names import table
from actors.store.postgres import Conn
from actors.store.schema_parts import has_index

# The types of the columns that a table may lack, as the seed has them.
TYPES = {
    "locked_until": "timestamptz",
    "last_checked": "timestamptz",
    "last_processed_at": "timestamptz",
    "last_error_at": "timestamptz",
    "updated_at": "timestamptz DEFAULT now()",
    "on_chain_balance_human": "numeric",
    "sync_count": "integer DEFAULT 0",
    "error_count": "integer DEFAULT 0",
    "decimals": "integer",
    "is_active": "boolean DEFAULT true",
    "is_native": "boolean DEFAULT false",
    "chain_id": "uuid",
}
KEYS = """
select c.contype::text, array_agg(a.attname::text order by k.at), c.confrelid::regclass::text
from pg_constraint c, unnest(c.conkey) with ordinality k(number, at), pg_attribute a
where c.conrelid = to_regclass(%s) and a.attrelid = c.conrelid and a.attnum = k.number and c.contype in ('p', 'u', 'f')
group by c.oid order by 1, 2
"""
KINDS = {"p": "primary key", "u": "unique", "f": "foreign key"}


def look(conn: Conn, config: LedgerConfig) -> Iterator[Finding]:
    """Every table that the ledger needs."""
    for name, wanted in {**NEEDED, **LEDGER_CHAINS}.items():
        yield from _table(conn, name, wanted)
    for name in config.address_from:
        if name == BALANCES:
            yield from _own_column(conn, config)
        elif not columns(conn, name):
            yield _no_lookup(conn, name, config)
        else:
            yield from _table(conn, name, LOOKUP)
    if columns(conn, BALANCES):
        yield from _index(conn)
        yield from _references(conn, config)


def _table(conn: Conn, name: str, wanted: Sequence[str]) -> Iterator[Finding]:
    found = columns(conn, name)
    if not found:
        yield wrong(f"table {name}", "does not exist", "trueup init -c FILE")
        return
    missing = [column for column in wanted if column not in found]
    for column in missing:
        kind = TYPES.get(column, "uuid" if column == "id" or column.endswith("_id") else "text")
        yield wrong(f"table {name}", f"has no column {column}", f"ALTER TABLE {name} ADD COLUMN {column} {kind};")
    if not missing:
        keys = [f"{KINDS[kind]} ({', '.join(of)})" + (f" to {other}" if kind == "f" else "") for kind, of, other in _keys(conn, name)]
        yield Finding(f"table {name}", f"{len(found)} columns" + "".join(f", {key}" for key in keys))
    if "id" in found and not has_index(conn, table(name), "id", unique=True):
        yield wrong(f"table {name}", "its id is not unique", f"ALTER TABLE {name} ADD PRIMARY KEY (id);")


def _keys(conn: Conn, name: str) -> list[tuple[str, list[str], str]]:
    return [(str(kind), list(of), str(other)) for kind, of, other in conn.execute(KEYS, [table(name).as_string(conn)])]


def _own_column(conn: Conn, config: LedgerConfig) -> Iterator[Finding]:
    if "address" in columns(conn, BALANCES):
        yield Finding(f"table {BALANCES}", "has the addresses in a column of its own")
        return
    fix = f"ALTER TABLE {BALANCES} ADD COLUMN address TEXT;"
    for name, usable, _ in lookups_that_work(conn, config):
        if usable:
            fix += f" UPDATE {BALANCES} b SET address = a.address FROM {name} a WHERE a.id = b.wallet_id;"
            break
    yield wrong("ledger.address_from", f"{BALANCES} has no column address", fix)


def _no_lookup(conn: Conn, name: str, config: LedgerConfig) -> Finding:
    """The original's own error."""
    shown = name if "." in name else f"public.{name}"
    there = [each for each in config.address_from if each != name and columns(conn, each)]
    for other, usable, rows in lookups_that_work(conn, config):
        if usable:
            fix = "address_from = [" + ", ".join(f'"{each}"' for each in [*there, other] if each) + "]"
            return wrong("ledger.address_from", f'relation "{shown}" does not exist; {other} has the addresses of {usable} of {rows} rows', fix)
    left = "address_from = [" + ", ".join(f'"{each}"' for each in there) + "], or trueup init -c FILE, which makes it"
    return wrong("ledger.address_from", f'relation "{shown}" does not exist', left if there else "trueup init -c FILE, which makes it")


def _index(conn: Conn) -> Iterator[Finding]:
    if has_index(conn, sql.Identifier(BALANCES), "last_checked", unique=False, nulls_first=True):
        yield Finding(f"table {BALANCES}", "is indexed by last_checked")
        return
    fix = f"CREATE INDEX CONCURRENTLY ON {BALANCES} (last_checked NULLS FIRST);"
    yield hint(f"table {BALANCES}", "is not indexed by last_checked: each claim looks at every row", fix)


def _references(conn: Conn, config: LedgerConfig) -> Iterator[Finding]:
    """The seed's Solution 1: the wallet's reference, where one table alone has the addresses."""
    lookups = [name for name in config.address_from if name != BALANCES and columns(conn, name)]
    wanted = [*REFERENCES, *((BALANCES, "wallet_id", name) for name in lookups if lookups == [name])]
    for name, column, other in wanted:
        if not columns(conn, name) or not columns(conn, other):
            continue
        if not any(kind == "f" and of == [column] for kind, of, _ in _keys(conn, name)):
            fix = f"ALTER TABLE {name} ADD FOREIGN KEY ({column}) REFERENCES {other} (id);"
            yield hint(f"table {name}", f"{column} refers to {other} by custom only: nothing keeps a row from naming one that is not there", fix)
