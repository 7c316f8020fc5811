"""The second seed's tables in a test: as its text prints them, filled row by row."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.asking import ask

# Word for word the text's; the other tables have the columns that its authors use.
SEED = """
CREATE TABLE chains (id UUID PRIMARY KEY, name TEXT NOT NULL, rpc_url TEXT, is_active BOOLEAN NOT NULL DEFAULT true);
CREATE TABLE asset_on_chain (
  id UUID PRIMARY KEY, chain_id UUID NOT NULL REFERENCES chains(id), asset_id UUID, contract_address TEXT, decimals INTEGER,
  is_native BOOLEAN DEFAULT false, is_active BOOLEAN DEFAULT true
);
CREATE TABLE user_wallet_addresses (id UUID PRIMARY KEY, address TEXT, chain_id UUID, is_active BOOLEAN DEFAULT true);
CREATE TABLE wallet_balances (
  id UUID PRIMARY KEY,
  wallet_id UUID NOT NULL,  -- Reference to wallet (see note below)
  asset_on_chain_id UUID NOT NULL REFERENCES asset_on_chain(id),
  
  -- Balance fields (updated by worker)
  on_chain_balance_raw TEXT,
  on_chain_balance_human NUMERIC,
  
  -- Locking fields (managed by worker)
  processing_status TEXT DEFAULT 'idle',
  locked_until TIMESTAMPTZ,
  locked_by TEXT,
  
  -- Metadata fields (managed by worker)
  last_checked TIMESTAMPTZ,
  last_processed_at TIMESTAMPTZ,
  last_error TEXT,
  last_error_at TIMESTAMPTZ,
  sync_count INTEGER DEFAULT 0,
  error_count INTEGER DEFAULT 0,
  
  created_at TIMESTAMPTZ DEFAULT NOW(),
  updated_at TIMESTAMPTZ DEFAULT NOW()
);
"""
# What other workers of the authors own, on the same rows.
UPSTREAM = """
ALTER TABLE wallet_balances ADD COLUMN needs_gas BOOLEAN DEFAULT true, ADD COLUMN needs_consolidation BOOLEAN DEFAULT true,
  ADD COLUMN priority INTEGER DEFAULT 7, ADD COLUMN gas_locked_until TIMESTAMPTZ DEFAULT '2030-01-01',
  ADD COLUMN gas_locked_by TEXT DEFAULT 'gas-1', ADD COLUMN consolidation_locked_until TIMESTAMPTZ DEFAULT '2030-01-01',
  ADD COLUMN consolidation_locked_by TEXT DEFAULT 'consolidation-1';
ALTER TABLE asset_on_chain ADD COLUMN symbol TEXT DEFAULT 'X';
CREATE TABLE operation_wallet_addresses (id UUID PRIMARY KEY, address TEXT, chain_id UUID, is_active BOOLEAN DEFAULT true);
"""
LOOKUP = "CREATE TABLE {} (id UUID PRIMARY KEY, address TEXT, chain_id UUID, is_active BOOLEAN DEFAULT true)"


@dataclass
class Books:
    """The tables of one database."""

    url: str
    made: list[str] = field(default_factory=list)

    def query(self, statement: str, *args: Any) -> list[tuple[Any, ...]]:
        """Ask the database."""
        return ask(self.url, statement, *args)

    def chain(self, name: str = "town", rpc_url: str | None = None, active: bool = True) -> str:
        """A chain's id."""
        number = str(uuid.uuid4())
        self.query("INSERT INTO chains VALUES (%s, %s, %s, %s)", number, name, rpc_url, active)
        return number

    def asset(self, chain: str, contract: str | None = None, decimals: int | None = 18, active: bool = True) -> str:
        """An asset's id; without a contract it is native."""
        number, native = str(uuid.uuid4()), contract is None
        columns = "(id, chain_id, contract_address, decimals, is_native, is_active)"
        self.query(f"INSERT INTO asset_on_chain {columns} VALUES (%s, %s, %s, %s, %s, %s)", number, chain, contract, decimals, native, active)
        return number

    def address(self, text: str | None, chain: str | None, active: bool = True, table: str = "user_wallet_addresses") -> str:
        """An address's id, which is its rows' `wallet_id`."""
        number = str(uuid.uuid4())
        self.query(f"INSERT INTO {table} VALUES (%s, %s, %s, %s)", number, text, chain, active)
        return number

    def row(self, wallet: str, asset: str, **columns: Any) -> str:
        """A row's id."""
        number = str(uuid.uuid4())
        given = {"id": number, "wallet_id": wallet, "asset_on_chain_id": asset, **columns}
        values = ", ".join(["%s"] * len(given))
        self.query(f"INSERT INTO wallet_balances ({', '.join(given)}) VALUES ({values})", *given.values())
        return number

    def of(self, row: str, *columns: str) -> tuple[Any, ...]:
        """Some columns of a row."""
        (found,) = self.query(f"SELECT {', '.join(columns)} FROM wallet_balances WHERE id = %s", row)
        return found

    def aside(self) -> dict[str, tuple[str, int]]:
        """Error and attempts of the rows that are set aside."""
        rows = self.query("SELECT row_key, error, attempts FROM trueup_set_aside WHERE table_name = 'wallet_balances'")
        return {str(key): (str(error), int(attempts)) for key, error, attempts in rows}

    def held(self) -> int:
        """How many rows have anything of a lock left."""
        where = "locked_by IS NOT NULL OR locked_until IS NOT NULL OR processing_status <> 'idle'"
        return int(self.query(f"SELECT count(*) FROM wallet_balances WHERE {where}")[0][0])


def a_wallet(number: int) -> str:
    """An address."""
    return "0x" + f"{number:040x}"
