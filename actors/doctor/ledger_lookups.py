"""By which lookups the rows of `wallet_balances` find their addresses, or would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from psycopg import sql

from actors.config import LedgerConfig
from actors.doctor.finding import Finding, wrong
from actors.store import ledger
from actors.store.ledger import ACTIVE, BALANCES, Lookup, Tables, columns
from actors.store.postgres import Conn

Problem = tuple[str, str]  # what is wrong, and in which lookup
VALID = sql.SQL("({0} ~ '^0[xX][0-9a-fA-F]{{40}}$' and {0} !~ '^0[xX]0+$')")
CANDIDATES = """
select case n.nspname when 'public' then '' else n.nspname || '.' end || c.relname
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_|^information_schema$' and c.relname <> 'wallet_balances'
    and c.relname ~ '^[a-z_][a-z0-9_]*$' and n.nspname ~ '^[a-z_][a-z0-9_]*$'
    and (select count(*) from pg_attribute a where a.attrelid = c.oid and a.attname in ('id', 'address') and not a.attisdropped
        and has_column_privilege(c.oid, a.attnum, 'select')) = 2
order by c.relname not in ('user_wallet_addresses', 'operation_wallet_addresses', 'wallets'), 1
"""
SAID = {
    "missing": "find no address",
    "empty": "have a NULL for an address",
    "chain": "have an address on another chain than their asset",
    "inactive": "have an address that is inactive",
    "malformed": "have an address that is malformed",
}


def look(conn: Conn, config: LedgerConfig) -> Iterator[Finding]:
    """How many rows find a usable address, and what is wrong with the others."""
    names = [name for name in config.address_from if "address" in columns(conn, name)]
    own, counts, samples = ledger.tables(conn, names), Counter[Problem](), dict[Problem, str]()
    for *reasons, count, sample in groups(conn, own):
        if count:
            problem = _problem(names, reasons)
            counts[problem] += count
            samples.setdefault(problem, sample)
    rows = counts.total()
    yield Finding("addresses", f"{counts['ok', '']} of {rows} rows find one by {', '.join(config.address_from)}")
    for (reason, lookup), count in counts.items():
        if reason != "ok":
            sample = samples[reason, lookup]
            text = f"{count} of {rows} rows {SAID[reason]}" + (f" in {lookup}" if lookup else "") + f", among them {sample}"
            yield wrong("addresses", text, _fix(conn, config, reason, lookup, sample))


def _problem(names: Sequence[str], reasons: Sequence[str | None]) -> Problem:
    """What the worker would say: what is wrong with the first that was found."""
    if "ok" in reasons:
        return "ok", ""
    return next(((reason, name) for name, reason in zip(names, reasons, strict=True) if reason), ("missing", ""))


def groups(conn: Conn, own: Tables) -> list[tuple[Any, ...]]:
    """The reason for each lookup (`ok`; None: it has no such wallet), how many active rows, and one of them."""
    reasons = [_reason(at, lookup) for at, lookup in enumerate(own.lookups)]
    query = sql.SQL(
        """
        select {reasons} count(*), min(h.id::text) from {balances} h
        join asset_on_chain a on a.id = h.asset_on_chain_id join chains c on c.id = a.chain_id {joins}
        where {active_asset} and {active_chain} {grouped}
        """
    ).format(
        reasons=sql.SQL("").join(sql.SQL("{}, ").format(reason) for reason in reasons),
        balances=sql.Identifier(BALANCES),
        joins=ledger.joins(own),
        active_asset=ACTIVE.format(sql.Identifier("a")),
        active_chain=ACTIVE.format(sql.Identifier("c")),
        grouped=sql.SQL("group by " + ", ".join(str(at + 1) for at in range(len(reasons)))) if reasons else sql.SQL(""),
    )
    return list(conn.execute(query).fetchall())


def _reason(at: int, lookup: Lookup) -> sql.Composable:
    if lookup.name == BALANCES:
        return sql.SQL("case when h.address is null then null when {} then 'ok' else 'malformed' end").format(
            VALID.format(sql.SQL("h.address::text"))
        )
    return sql.SQL(
        """
        case when {0}.address is null then null when {0}.address = '' then 'empty' when not {0}.same then 'chain'
            when not {0}.active then 'inactive' when {valid} then 'ok' else 'malformed' end
        """
    ).format(sql.Identifier(f"l{at}"), valid=VALID.format(sql.SQL("{}.address").format(sql.Identifier(f"l{at}"))))


def lookups_that_work(conn: Conn, config: LedgerConfig) -> Iterator[tuple[str, int, int]]:
    """Other tables of that shape: their name, for how many of the rows that find none each has a usable address, and how many there are."""
    if any(not columns(conn, name) for name in (BALANCES, "asset_on_chain", "chains")):
        return
    there = [name for name in config.address_from if "address" in columns(conn, name)]
    for name in _candidates(conn):
        if name not in config.address_from:
            found = groups(conn, ledger.tables(conn, [*there, name]))
            missed = [(reasons[-1], count) for *reasons, count, _ in found if "ok" not in reasons[:-1]]
            yield name, sum(count for reason, count in missed if reason == "ok"), sum(count for _, count in missed)


def _candidates(conn: Conn) -> list[str]:
    """Tables whose ids are of the wallets' type, and which may be read."""
    kind = columns(conn, BALANCES).get("wallet_id")
    names = [str(name) for (name,) in conn.execute(CANDIDATES)]
    return [name for name in names if columns(conn, name)["id"] == kind] + [BALANCES] * ("address" in columns(conn, BALANCES))


def _fix(conn: Conn, config: LedgerConfig, reason: str, lookup: str, sample: str) -> str:
    if reason == "missing":
        for name, usable, _ in lookups_that_work(conn, config):
            if usable:
                names = ", ".join(f'"{each}"' for each in (*config.address_from, name))
                return f"address_from = [{names}], which finds {usable}"
    tables = [name for name in config.address_from if name != BALANCES]
    if lookup == BALANCES or not tables:
        return f"UPDATE {BALANCES} SET address = '0x…' WHERE id = '{sample}';"
    where = f"WHERE id = (SELECT wallet_id FROM {BALANCES} WHERE id = '{sample}')"
    return {
        "missing": f"INSERT INTO {tables[0]} (id, address) SELECT wallet_id, '0x…' FROM {BALANCES} WHERE id = '{sample}';",
        "empty": f"UPDATE {lookup} SET address = '0x…' {where};",
        "malformed": f"UPDATE {lookup} SET address = '0x…' {where};",
        "inactive": f"UPDATE {lookup} SET is_active = true {where};",
        "chain": f"UPDATE {BALANCES} SET asset_on_chain_id = '…' WHERE id = '{sample}'; or the address's chain: UPDATE {lookup} SET chain_id = '…' {where};",
    }[reason]
