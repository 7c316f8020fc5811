"""What a role of least privileges needs in the database: `trueup init --role NAME` grants it, and every start sees whether it is there.

`schema.sql` has it beside the parts, as GRANT statements. Only what is missing is granted, so that nobody needs the right to grant what a
role has already; and nothing is ever revoked, since somebody else may have meant it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from psycopg import sql

from actors.config import AssetConfig, Config
from actors.errors import ConfigError
from actors.store.holders import addresses, blaming_track, is_query
from actors.store.ledger import BALANCES
from actors.store.names import table
from actors.store.postgres import Conn
from actors.store.schema_parts import parts

ROLE = "trueup_service"
GRANT = re.compile(rf"grant\s+(.+?)\s+on\s+(\w+)\s+to\s+{ROLE};", re.DOTALL)
PRIVILEGE = re.compile(r"(\w+)(?:\s*\(([^)]*)\))?")
# A column that is not there needs no right.
HAS = """
select n.at, case when n.name = '' then has_table_privilege(%(role)s::name, n.relation::regclass, n.verb)
    else has_column_privilege(%(role)s::name, n.relation::regclass, n.name, n.verb) end
from unnest(%(relations)s::text[], %(columns)s::text[], %(verbs)s::text[]) with ordinality n(relation, name, verb, at)
where n.name = '' or exists (
    select from pg_attribute a where a.attrelid = n.relation::regclass and a.attname = n.name and a.attnum > 0 and not a.attisdropped)
"""
SCHEMAS = """
select distinct n.nspname from unnest(%(relations)s::text[]) r join pg_class c on c.oid = r::regclass join pg_namespace n on n.oid = c.relnamespace
where not has_schema_privilege(%(role)s::name, n.oid, 'usage') order by 1
"""
OWNED = "select r from unnest(%s::text[]) r join pg_class c on c.oid = r::regclass where pg_has_role(%s::name, c.relowner, 'member') limit 1"
# The columns that a view names are what Postgres notes down of it.
NAMED = """
select distinct c.oid::regclass::text, coalesce(a.attname, '') from pg_rewrite r
join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class
join pg_class c on c.oid = d.refobjid left join pg_attribute a on a.attrelid = c.oid and a.attnum = d.refobjsubid and d.refobjsubid <> 0
where r.ev_class = 'trueup_track'::regclass
"""


@dataclass(frozen=True, slots=True, order=True)
class Need:
    """One privilege: on a relation, as SQL writes it, and on one of its columns ("": on the whole of it)."""

    relation: str
    verb: str
    column: str = ""


def grant(conn: Conn, config: Config, role: str) -> list[str]:
    """Grant a role what it lacks, and say what that was, a line each. ConfigError where there is no such role, where nothing would bind it,
    or where it cannot be granted."""
    needs = sorted({*_needs(conn, config), *(need for asset in config.assets for need in _track_needs(conn, asset))})
    _check_bound(conn, role, needs)
    said = [*_use_schemas(conn, needs, role), *(_grant(conn, *one, role) for one in _together(_lacking(conn, needs, role)))]
    if left := _together(_lacking(conn, needs, role)):  # Postgres only warns where who grants may not
        raise ConfigError(f"--role: {_shown(*left[0])} was not granted to {role}: run it as the owner of that table")
    return said


def check(conn: Conn, config: Config) -> None:
    """Refuse to start without a privilege that would be missed later, in the middle of the work."""
    row = conn.execute("select current_user").fetchone()
    assert row is not None
    if lacking := _together(_lacking(conn, _needs(conn, config), row[0])):
        raise ConfigError(f"role {row[0]} has not {_shown(*lacking[0])}: run `trueup init --role {row[0]}` as the tables' owner")


def _needs(conn: Conn, config: Config) -> list[Need]:
    """What every command but `init` needs together."""
    found = [*_part("core"), *_part("checkpoints"), *(_part("audit") if config.audit.rows_a_minute else ())]
    for asset in config.assets:
        name = table(asset.table).as_string(conn)
        found += [*_part("holders", name), *(_part("holders_insert", name) if asset.track != "table" else ())]
    if config.ledger.enabled:
        found += [*_part("ledger_chains"), *_part("ledger")]
        for lookup in config.ledger.address_from:
            found += _part("addresses", table(lookup).as_string(conn)) if lookup != BALANCES else ()
    return found


def _part(part: str, relation: str | None = None) -> Iterator[Need]:
    """The privileges of a part's role; on that relation in place of the part's own."""
    for what, named in GRANT.findall(parts()[f"{part}_role"]):
        for verb, columns in PRIVILEGE.findall(what):
            for column in columns.split(","):
                yield Need(relation or f'"{named}"', verb, column.strip())


def _track_needs(conn: Conn, asset: AssetConfig) -> list[Need]:
    """What the SELECT of an asset's `track` reads."""
    if not is_query(asset.track):
        return []
    query = sql.SQL("create temp view trueup_track as select t.address from {}").format(addresses(asset.track))
    with blaming_track(asset):
        conn.execute(query, {})
    found = [Need(relation, "select", column) for relation, column in conn.execute(NAMED)]
    conn.execute("drop view pg_temp.trueup_track")
    # A column's need makes that of the whole, `count(*)` and the like, superfluous.
    named = {need.relation for need in found if need.column}
    return [need for need in found if need.column or need.relation not in named]


def _lacking(conn: Conn, needs: Sequence[Need], role: str) -> list[Need]:
    known = list(dict.fromkeys(needs))
    values = {"role": role, "relations": [n.relation for n in known], "columns": [n.column for n in known], "verbs": [n.verb for n in known]}
    return sorted(known[at - 1] for at, has in conn.execute(HAS, values) if not has)


def _together(needs: Iterable[Need]) -> list[tuple[str, str, list[str]]]:
    """Relation, verb and columns, none of these for the whole of it."""
    kinds = groupby(needs, key=lambda need: (need.relation, need.verb))
    return [(relation, verb, [need.column for need in found if need.column]) for (relation, verb), found in kinds]


def _grant(conn: Conn, relation: str, verb: str, columns: Sequence[str], role: str) -> str:
    these = sql.SQL(" ({})").format(sql.SQL(", ").join(map(sql.Identifier, columns))) if columns else sql.SQL("")
    # Verb and relation are ours, or Postgres's own writing.
    conn.execute(sql.SQL("grant {}{} on {} to {}").format(sql.SQL(verb), these, sql.SQL(relation), sql.Identifier(role)))
    return f"granted {_shown(relation, verb, columns)} to {role}"


def _use_schemas(conn: Conn, needs: Sequence[Need], role: str) -> list[str]:
    found = conn.execute(SCHEMAS, {"relations": sorted({need.relation for need in needs}), "role": role}).fetchall()
    for (name,) in found:
        conn.execute(sql.SQL("grant usage on schema {} to {}").format(sql.Identifier(name), sql.Identifier(role)))
    return [f"granted usage on schema {name} to {role}" for (name,) in found]


def _check_bound(conn: Conn, role: str, needs: Sequence[Need]) -> None:
    row = conn.execute("select rolsuper from pg_roles where rolname = %s", [role]).fetchone()
    if row is None:
        raise ConfigError(f"--role: there is no role {role}; as a superuser: CREATE ROLE {role} LOGIN PASSWORD '…'")
    if row[0]:
        raise ConfigError(f"--role: {role} is a superuser, whom nothing binds")
    owned = conn.execute(OWNED, [sorted({need.relation for need in needs}), role]).fetchone()
    if owned:
        raise ConfigError(f"--role: {role} owns {_plain(owned[0])}, or is a member of its owner, and may do anything with it")


def _shown(relation: str, verb: str, columns: Sequence[str]) -> str:
    return verb + (f" ({', '.join(columns)})" if columns else "") + f" on {_plain(relation)}"


def _plain(relation: str) -> str:
    return relation.replace('"', "")
