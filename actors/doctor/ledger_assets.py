"""Assets that cannot be read, chains without a node, and rows that are set aside."""

from __future__ import annotations

from collections.abc import Iterator

from actors.claim import MOST_DECIMALS
from actors.doctor.finding import Finding, wrong
from actors.store.postgres import Conn

ASSETS = """
select id::text, contract_address::text, decimals::text, coalesce(is_native, false) from asset_on_chain where coalesce(is_active, true) order by 1
"""
ASIDE = """
select s.error, count(*), min(s.row_key) from trueup_set_aside s
join wallet_balances b on b.id::text = s.row_key join asset_on_chain a on a.id = b.asset_on_chain_id join chains c on c.id = a.chain_id
where s.table_name = 'wallet_balances' and coalesce(a.is_active, true) and coalesce(c.is_active, true) group by 1 order by 2 desc limit 10
"""
ORPHANS = """
select count(*), min(b.id::text) from wallet_balances b left join asset_on_chain a on a.id = b.asset_on_chain_id
left join chains c on c.id = a.chain_id where c.id is null
"""


def look(conn: Conn) -> Iterator[Finding]:
    """All of them."""
    found = list(conn.execute(ASSETS))
    yield Finding("assets", f"{len(found)} are active")
    for number, contract, decimals, native in found:
        if not native and not _is_address(contract):
            fix = f"UPDATE asset_on_chain SET contract_address = '0x…' WHERE id = '{number}'; or is_native = true"
            yield wrong("assets", f"{number} has no contract_address that can be read: {contract!r}", fix)
        if decimals is None or not (decimals.isdecimal() and int(decimals) <= MOST_DECIMALS):
            fix = f"UPDATE asset_on_chain SET decimals = 18 WHERE id = '{number}'; (or what its contract says)"
            yield wrong("assets", f"{number} has {'no' if decimals is None else decimals} decimals", fix)
    ((count, sample),) = conn.execute(ORPHANS)
    if count:
        fix = f"UPDATE wallet_balances SET asset_on_chain_id = '…' WHERE id = '{sample}'; or DELETE FROM wallet_balances WHERE id = '{sample}';"
        yield wrong("assets", f"{count} rows name an asset, or that a chain, which is not there, among them {sample}", fix)
    for error, count, sample in conn.execute(ASIDE):
        quoted = error.replace("'", "''")
        fix = f"mend it; then: UPDATE trueup_set_aside SET next_attempt = now() WHERE table_name = 'wallet_balances' AND error = '{quoted}';"
        yield wrong("set aside", f"{count} rows, among them {sample}: {error}", fix)


def _is_address(text: str | None) -> bool:
    try:
        return text is not None and len(text) == 42 and text[:2] in ("0x", "0X") and any(bytes.fromhex(text[2:]))
    except ValueError:
        return False
