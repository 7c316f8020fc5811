"""The second seed's tables as `init` makes them where they are missing, and as every start needs them.

Tables that are there belong to other programs: they get no column, and no foreign key. What they lack is named.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from actors.config import LedgerConfig
from actors.errors import ConfigError
from actors.store.ledger import BALANCES, columns
from actors.store.names import schema_of, table
from actors.store.postgres import Conn
from actors.store.schema_parts import apply, has_index, parts

LEDGER_CHAINS = {"trueup_ledger_chains": ("chain", "chain_id")}
NEEDED = {
    "chains": ("id", "name", "rpc_url", "is_active"),
    "asset_on_chain": ("id", "chain_id", "contract_address", "decimals", "is_native", "is_active"),
    BALANCES: (
        *("id", "wallet_id", "asset_on_chain_id", "on_chain_balance_raw", "on_chain_balance_human"),
        *("processing_status", "locked_until", "locked_by", "last_checked", "last_processed_at"),
        *("last_error", "last_error_at", "sync_count", "error_count", "updated_at"),
    ),
}
LOOKUP = ("id", "address")
# Which of the tables' columns name a row of another one.
REFERENCES = (("asset_on_chain", "chain_id", "chains"), (BALANCES, "asset_on_chain_id", "asset_on_chain"))
MODEL = "user_wallet_addresses"


def init(conn: Conn, config: LedgerConfig) -> list[str]:
    """Make what is missing, and say what it was."""
    said = apply(conn, "ledger_chains", LEDGER_CHAINS)
    made = [name for name in NEEDED if not columns(conn, name)]
    for name in made:
        conn.execute(parts()[name])
    said += [f"table {name}: created" for name in made]
    lookups = [name for name in config.address_from if name != BALANCES]
    for name in lookups:
        if not columns(conn, name):
            said += _make_lookup(conn, name)
            made.append(name)
    if BALANCES in config.address_from and BALANCES in made:
        conn.execute(parts()["wallet_balances_address"])
    _reference(conn, made, lookups)
    if not has_index(conn, sql.Identifier(BALANCES), "last_checked", unique=False, nulls_first=True):
        conn.execute(parts()["wallet_balances_index"])
        said.append(f"table {BALANCES}: indexed by last_checked")
    return said


def _make_lookup(conn: Conn, name: str) -> list[str]:
    if schema := schema_of(name):
        conn.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
    conn.execute(parts()["addresses"].replace(MODEL, table(name).as_string(conn)))
    return [f"table {name}: created"]


def _reference(conn: Conn, made: Sequence[str], lookups: Sequence[str]) -> None:
    """Foreign keys between tables that were made here, and no others. Several lookups exclude one on the wallet."""
    wanted = [*REFERENCES, *((BALANCES, "wallet_id", name) for name in lookups if lookups == [name])]
    for name, column, other in wanted:
        if name in made and other in made:
            query = sql.SQL("alter table {} add foreign key ({}) references {} (id)")
            conn.execute(query.format(table(name), sql.Identifier(column), table(other)))


def check(conn: Conn, config: LedgerConfig) -> None:
    """Refuse a database without the tables and columns."""
    for name, wanted in {**LEDGER_CHAINS, **NEEDED}.items():
        _require(name, columns(conn, name), wanted, "run `trueup init`")
    for name in config.address_from:
        own = columns(conn, name)
        if name == BALANCES:
            _require(name, own, ("address",), "see ledger.address_from, and `trueup doctor`")
        else:
            _require(name, own, LOOKUP, "see ledger.address_from, and `trueup doctor`")
    own = columns(conn, BALANCES)
    for name, column, other in REFERENCES:
        kinds = columns(conn, name)[column], columns(conn, other)["id"]
        if kinds[0] != kinds[1]:
            raise ConfigError(f"{name}.{column} is {kinds[0]}, and {other}.id is {kinds[1]}: they must be of one type")
    if own["on_chain_balance_raw"] != "text" and not own["on_chain_balance_raw"].startswith("character varying"):
        raise ConfigError(f"{BALANCES}.on_chain_balance_raw is {own['on_chain_balance_raw']}, and must be text")


def _require(name: str, found: dict[str, str], wanted: Sequence[str], what: str) -> None:
    if not found:
        raise ConfigError(f"table {name} does not exist: {what}")
    if missing := [column for column in wanted if column not in found]:
        raise ConfigError(f"table {name} lacks {', '.join(missing)}: see `trueup doctor`")
