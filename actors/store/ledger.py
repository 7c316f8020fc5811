"""The second seed's tables: `wallet_balances` rows, leased, and the chains, assets and addresses that they name.

A row is held by whoever's name is in `locked_by` until `locked_until`, and every write asks for that name: whoever lost its lease writes
nothing. `processing_status` is kept for other programs, and never asked. Columns that are not the seed's stay as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from actors.claim import Address, LedgerRow
from actors.store import schema_parts
from actors.store.names import table
from actors.store.postgres import Conn, one_line
from actors.unwritable import ONE_ROWS_FAULT

BALANCES = "wallet_balances"
PART_OF_A_CLAIM = 5
ACTIVE = sql.SQL("coalesce({}.is_active, true)")


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where addresses are found: a table of `id` and `address`, or `wallet_balances` itself; and what else it has."""

    name: str
    by_text: bool = False  # its id and `wallet_id` are of different types
    has_chain: bool = False
    has_active: bool = False


@dataclass(frozen=True, slots=True)
class Tables:
    """What was found of the tables: the type of a row's id, and the lookups in order."""

    id_type: str
    lookups: tuple[Lookup, ...]


@dataclass(frozen=True, slots=True)
class ChainRow:
    """An active row of `chains`; `chain_id` is what was learned of its node, None before."""

    id: str
    name: str
    rpc_url: str | None
    chain_id: int | None


def columns(conn: Conn, name: str) -> dict[str, str]:
    """A table's columns and their types; nothing where there is no such table."""
    return schema_parts.columns(conn, table(name))


def tables(conn: Conn, address_from: Sequence[str]) -> Tables:
    """Look at the tables once."""
    own = columns(conn, BALANCES)
    return Tables(own.get("id", "uuid"), tuple(_lookup(conn, name, own.get("wallet_id", "uuid")) for name in address_from))


def _lookup(conn: Conn, name: str, wallet_id: str) -> Lookup:
    if name == BALANCES:
        return Lookup(name)
    found = columns(conn, name)
    return Lookup(name, found.get("id") != wallet_id, "chain_id" in found, "is_active" in found)


def chains(conn: Conn) -> list[ChainRow]:
    """The active chains."""
    rows = conn.execute(
        """
        select c.id::text, coalesce(c.name::text, c.id::text), c.rpc_url::text, t.chain_id
        from chains c left join trueup_ledger_chains t on t.chain = c.id::text
        where coalesce(c.is_active, true) order by c.id::text
        """
    )
    return [ChainRow(*row) for row in rows]


def learn(conn: Conn, chain: str, chain_id: int) -> int:
    """Store which chain a chain's node is on, unless that is known: what is known."""
    row = conn.execute(
        """
        insert into trueup_ledger_chains as t (chain, chain_id) values (%s, %s)
        on conflict (chain) do update set chain_id = t.chain_id returning chain_id
        """,
        [chain, chain_id],
    ).fetchone()
    assert row is not None  # inserted, or in conflict with one that is returned
    return int(row[0])


# The rows of a chain that nobody holds, locked: others pass over them. Those that failed before and are due again take a part of a claim
# at most, or else many of them, whose first delays are short, would keep all others from their turn; the rest is what was checked longest ago.
ROWS = """
    select b.id from {balances} b
    join asset_on_chain a on a.id = b.asset_on_chain_id join chains c on c.id = a.chain_id
    {aside} where c.id::text = %(chain)s and {active_asset} and {active_chain}
        and (b.locked_until is null or b.locked_until <= clock_timestamp())
"""
FREE = sql.SQL(
    "due as materialized ("
    + ROWS.replace("{aside}", "join trueup_set_aside s on s.table_name = {name} and s.row_key = b.id::text")
    + """ and s.next_attempt <= clock_timestamp()
        order by s.next_attempt limit greatest(1, %(limit)s / {part}) for update of b skip locked
    ), free as materialized (select id from due union all select id from ("""
    + ROWS.replace("{aside}", "")
    + """ and not exists (select from trueup_set_aside s where s.table_name = {name} and s.row_key = b.id::text)
        order by b.last_checked nulls first limit %(limit)s - (select count(*) from due) for update of b skip locked
    ) oldest)"""
).format(
    balances=sql.Identifier(BALANCES),
    name=sql.Literal(BALANCES),
    part=sql.Literal(PART_OF_A_CLAIM),
    active_asset=ACTIVE.format(sql.Identifier("a")),
    active_chain=ACTIVE.format(sql.Identifier("c")),
)
HOLD = sql.SQL(
    """
    update {balances} b set processing_status = 'processing', locked_by = %(locked_by)s,
        locked_until = (select clock_timestamp()) + make_interval(secs => %(secs)s)
    """
).format(balances=sql.Identifier(BALANCES))


def claim(conn: Conn, own: Tables, chain: str, locked_by: str, lease_secs: float, limit: int) -> list[LedgerRow]:
    """Lease rows of a chain, and return just those. One statement."""
    query = sql.SQL(
        """
        with {free}, held as ({hold} from free where b.id = free.id returning b.id, b.wallet_id, b.asset_on_chain_id, b.last_checked {own})
        select h.id::text, h.wallet_id::text, h.asset_on_chain_id::text, a.contract_address::text, a.decimals::text,
            coalesce(a.is_native, false) {found}
        from held h join asset_on_chain a on a.id = h.asset_on_chain_id {joins}
        order by h.last_checked nulls first
        """
    ).format(
        free=FREE,
        hold=HOLD,
        own=sql.SQL(", b.address" if any(lookup.name == BALANCES for lookup in own.lookups) else ""),
        found=sql.SQL("").join(_found(at, lookup) for at, lookup in enumerate(own.lookups)),
        joins=joins(own),
    )
    rows = conn.execute(query, {"chain": chain, "limit": limit, "locked_by": locked_by, "secs": lease_secs})
    return [_row(own, row) for row in rows]


def unclaimable(conn: Conn, chain: str, limit: int) -> dict[str, str]:
    """Which of the rows that a claim would take cannot be leased, and what Postgres says of each: a trigger of another program, perhaps."""
    found: dict[str, str] = {}
    with conn.transaction(force_rollback=True):
        rows = conn.execute(sql.SQL("with {} select id from free").format(FREE), {"chain": chain, "limit": limit}).fetchall()
        for (number,) in rows:
            try:
                with conn.transaction(force_rollback=True):
                    conn.execute(HOLD + sql.SQL("where b.id = %(id)s"), {"locked_by": "trueup", "secs": 0, "id": number})
            except ONE_ROWS_FAULT as error:
                found[str(number)] = one_line(error)
    return found


def _found(at: int, lookup: Lookup) -> sql.Composable:
    """Whether the lookup has the wallet, its address, whether that is active, and whether it is on the asset's chain."""
    if lookup.name == BALANCES:
        return sql.SQL(", h.address is not null, h.address::text, true, true")
    return sql.SQL(", {0}.address is not null, {0}.address, {0}.active, {0}.same").format(sql.Identifier(f"l{at}"))


def joins(own: Tables) -> sql.Composable:
    """What each lookup knows of a row `h` of an asset `a`: `address`, `active` and `same` of `l0`, `l1`, …"""
    return sql.SQL("").join(_join(at, lookup) for at, lookup in enumerate(own.lookups))


def _join(at: int, lookup: Lookup) -> sql.Composable:
    if lookup.name == BALANCES:
        return sql.SQL("")
    same_id = sql.SQL("t.id::text = h.wallet_id::text" if lookup.by_text else "t.id = h.wallet_id")
    return sql.SQL(
        """
        left join lateral (
            select coalesce(t.address::text, '') as address, {active} as active, {same} as same from {lookup} t where {same_id}
            order by ({active} and {same}) desc, t.address limit 1
        ) {alias} on true
        """
    ).format(
        active=sql.SQL("coalesce(t.is_active, true)" if lookup.has_active else "true"),
        same=sql.SQL("coalesce(t.chain_id::text = a.chain_id::text, true)" if lookup.has_chain else "true"),
        lookup=table(lookup.name),
        same_id=same_id,
        alias=sql.Identifier(f"l{at}"),
    )


def _row(own: Tables, row: Sequence[Any]) -> LedgerRow:
    number, wallet_id, asset, contract, decimals, native, *rest = row
    parts = [(lookup, *rest[4 * at : 4 * at + 4]) for at, lookup in enumerate(own.lookups)]
    addresses = tuple(Address(lookup.name, text, active, same) for lookup, there, text, active, same in parts if there)
    return LedgerRow(number, wallet_id, asset, addresses, contract, decimals, native)


def renew(conn: Conn, id_type: str, ids: Sequence[str], locked_by: str, lease_secs: float) -> int:
    """Lease rows for longer: how many are. A row that somebody else has locked is passed over: it comes again."""
    query = sql.SQL(
        """
        update {balances} set locked_until = (select clock_timestamp()) + make_interval(secs => %s)
        where id in (select id from {balances} where id = any(%s::text[]::{kind}[]) and locked_by = %s for update skip locked)
        """
    ).format(balances=sql.Identifier(BALANCES), kind=sql.SQL(id_type))
    return conn.execute(query, [lease_secs, list(ids), locked_by]).rowcount
