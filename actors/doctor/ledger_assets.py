"""Assets that cannot be read, chains without a node, and rows that are set aside."""

from __future__ import annotations

from collections.abc import Iterator

from actors.claim import MOST_DECIMALS
from actors.config import Config
from actors.doctor.finding import Finding, wrong
from actors.store.postgres import Conn

ASSETS = """
select id::text, contract_address, decimals, coalesce(is_native, false) from asset_on_chain where coalesce(is_active, true) order by 1
"""
ASIDE = """
select error, count(*), min(row_key) from trueup_set_aside where table_name = 'wallet_balances' group by 1 order by 2 desc limit 10
"""
ORPHANS = """
select count(*), min(b.id::text) from wallet_balances b left join asset_on_chain a on a.id = b.asset_on_chain_id
left join chains c on c.id = a.chain_id where c.id is null
"""


def look(conn: Conn, config: Config) -> Iterator[Finding]:
    """All of them. `config` names the chains that have endpoints of their own."""
    found = list(conn.execute(ASSETS))
    yield Finding("assets", f"{len(found)} are active")
    for number, contract, decimals, native in found:
        if not native and not _is_address(contract):
            fix = f"UPDATE asset_on_chain SET contract_address = '0x…' WHERE id = '{number}'; or is_native = true"
            yield wrong("assets", f"{number} has no contract_address that can be read: {contract!r}", fix)
        if decimals is None or not 0 <= decimals <= MOST_DECIMALS:
            fix = f"UPDATE asset_on_chain SET decimals = 18 WHERE id = '{number}'; (or what its contract says)"
            yield wrong("assets", f"{number} has {'no' if decimals is None else decimals} decimals", fix)
    ((count, sample),) = conn.execute(ORPHANS)
    if count:
        yield wrong("assets", f"{count} rows name an asset, or that a chain, which is not there, among them {sample}", "DELETE them, or add the asset")
    for error, count, sample in conn.execute(ASIDE):
        fix = f"mend it; then: UPDATE trueup_set_aside SET next_attempt = now() WHERE row_key = '{sample}';"
        yield wrong("set aside", f"{count} rows, among them {sample}: {error}", fix)


def _is_address(text: str | None) -> bool:
    try:
        return text is not None and len(text) == 42 and text[:2] in ("0x", "0X") and any(bytes.fromhex(text[2:]))
    except ValueError:
        return False
