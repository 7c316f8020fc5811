"""The real side of the suite: Postgres, over the same assets and with the same clock as the double.

Postgres gets its clock handed in as the double does: a function of its own stands before `pg_catalog.clock_timestamp`. So times can be
compared to the microsecond.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, TypeVar, cast

import pytest
from psycopg import sql

from actors.config import AssetConfig
from actors.messages import Marks
from actors.sandbox.postgres import PrivatePostgres
from actors.store import chain, schema
from actors.store.arrays import from_text, text
from actors.store.pages import Selected
from actors.store.postgres import Conn, connect
from tests.simulation.tables import BEGAN, Row
from tests.store.double_sides import ASSETS, NARROW, DoubleSide, Side
from tests.store.scene import config_of

T = TypeVar("T")
CLOCK = """
create function public.clock_timestamp() returns timestamptz stable language sql
    as $$ select current_setting('double.now')::timestamptz $$
"""
SESSION = "set timezone = 'UTC'; set search_path = public, pg_catalog"
EMPTY = """
delete from trueup_chains; delete from trueup_blocks; delete from trueup_set_aside; delete from trueup_leases; delete from trueup_spend;
delete from eth_indexer_checkpoints; delete from users;
delete from eth_wallet_balances; delete from other_balances; delete from gamma_balances
"""
EVERYTHING = """
select json_build_object(
    'rows', (select json_agg(r) from (
        select 'eth_wallet_balances' t, wallet, balance, blocknumber, read_block, updated_at from eth_wallet_balances
        union all select 'other_balances', wallet, balance, blocknumber, read_block, updated_at from other_balances
        union all select 'gamma_balances', wallet, balance, blocknumber, read_block, updated_at from gamma_balances) r),
    'checkpoints', (select json_agg(c) from eth_indexer_checkpoints c), 'chains', (select json_agg(c) from trueup_chains c),
    'blocks', (select json_agg(b) from trueup_blocks b), 'leases', (select json_agg(l) from trueup_leases l),
    'aside', (select json_agg(s) from trueup_set_aside s), 'spend', (select json_agg(s) from trueup_spend s))::text
"""


class PostgresSide(Side):
    """Real Postgres, over one database for all tests: it is emptied for each."""

    def __init__(self, conn: Conn) -> None:
        super().__init__()
        self._conn, self._now = conn, BEGAN
        conn.execute(EMPTY)
        self.pass_time(0)

    @staticmethod
    def prepare(conn: Conn) -> None:
        """Once: the schema, the operator's table and the clock."""
        schema.init(conn, config_of(*ASSETS.values()))
        conn.execute("create table users (wallet text)")
        for table, digits in NARROW.items():
            conn.execute(sql.SQL("alter table {} alter balance type numeric({})").format(sql.Identifier(table), digits))
        conn.execute(CLOCK)
        conn.execute(SESSION)

    def run(self, fn: Callable[..., T], *args: Any) -> T:
        found: Any = fn(self._conn, *args)
        if isinstance(found, Selected):  # in whatever order Postgres has them
            found = replace(found, wallets=",".join(sorted(found.wallets.split(","))))
        return cast("T", found)

    def pass_time(self, secs: float) -> None:
        self._now += timedelta(seconds=secs)
        self._conn.execute("select set_config('double.now', %s, false)", [self._now.isoformat()])

    def contents(self) -> dict[str, Any]:
        row = self._conn.execute(EVERYTHING).fetchone()
        assert row is not None
        # Balances are whole numbers, and as text no digit is lost.
        found: dict[str, list[dict[str, Any]]] = {
            name: rows or [] for name, rows in json.loads(row[0], parse_float=float).items()
        }
        return {
            "rows": {
                (r["t"], from_text(r["wallet"])): Row(r["balance"], r["blocknumber"], r["read_block"], _time(r["updated_at"]))
                for r in found["rows"]
            },
            "checkpoints": {
                c["name"]: None if c["last_block"] is None else Marks(c["last_block"], c["confirmed"])
                for c in found["checkpoints"]
            },
            "chains": {c["chain"]: c["branch"] for c in found["chains"]},
            "blocks": {(b["chain"], b["number"], from_text(b["hash"])): (b["branch"], b["since"]) for b in found["blocks"]},
            "aside": {
                (s["table_name"], from_text(s["row_key"])): (s["block"], s["error"], s["attempts"], _time(s["next_attempt"]))
                for s in found["aside"]
            },
            "leases": {r["role"]: (r["holder"], _time(r["until"])) for r in found["leases"]},
            "spend": {
                (s["chain"], date.fromisoformat(s["day"]), s["actor"], s["method"]): (s["calls"], s["units"])
                for s in found["spend"]
            },
        }

    def put_row(self, asset: AssetConfig, wallet: bytes, row: Row) -> None:
        self.delete_row(asset, wallet)
        columns = "(wallet, balance, blocknumber, read_block, updated_at)"
        query = sql.SQL("insert into {} " + columns + " values (%s, %s, %s, %s, %s)").format(sql.Identifier(asset.table))
        self._conn.execute(query, [text(wallet), *row])

    def delete_row(self, asset: AssetConfig, wallet: bytes) -> None:
        self._conn.execute(sql.SQL("delete from {} where wallet = %s").format(sql.Identifier(asset.table)), [text(wallet)])

    def put_marks(self, name: str, marks: Marks | None) -> None:
        self._conn.execute("delete from eth_indexer_checkpoints where name = %s", [name])
        values = (None, None) if marks is None else (marks.last_block, marks.confirmed)
        self._conn.execute(
            "insert into eth_indexer_checkpoints (name, last_block, confirmed) values (%s, %s, %s)", [name, *values]
        )

    def put_blocks(self, name: str, blocks: Iterable[tuple[int, bytes]]) -> None:
        chain.remember(self._conn, name, blocks)

    def select(self, wallets: Iterable[bytes]) -> None:
        self._conn.execute("delete from users")
        # In upper case: the SELECT may answer in any.
        self._conn.cursor().executemany("insert into users values (%s)", [("0x" + w.hex().upper(),) for w in wallets])


def _time(value: str) -> datetime:
    return datetime.fromisoformat(value).replace(tzinfo=None)


@pytest.fixture(scope="module", name="conn")
def a_conn(postgres_server: PrivatePostgres) -> Iterator[Conn]:
    """One database for a whole module."""
    with connect(postgres_server.fresh("double")) as conn:
        PostgresSide.prepare(conn)
        yield conn
    postgres_server.drop("double")


@pytest.fixture(params=["postgres", "double"], name="side")
def a_side(request: pytest.FixtureRequest) -> Side:
    """Each of the two, empty."""
    return DoubleSide() if request.param == "double" else PostgresSide(request.getfixturevalue("conn"))
