"""The Postgres of a benchmark: a private one that writes as a real one does (fsync on), a table of the truth, and the table to be judged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from actors.sandbox.postgres import PrivatePostgres
from bench.holders import pages, truth

TABLE = "eth_wallet_balances"
DURABLE = {
    "fsync": "on",
    "full_page_writes": "on",
    "shared_buffers": "512MB",
    "max_wal_size": "8GB",  # a checkpoint in one round and none in the other would be the difference
    "checkpoint_timeout": "30min",
    "track_commit_timestamp": "on",
}
BOOKS = ("trueup_blocks", "trueup_set_aside", "trueup_leases", "trueup_chains", "eth_indexer_checkpoints")


@contextmanager
def postgres(**settings: str) -> Iterator[PrivatePostgres]:
    """A private server with durable writes."""
    with PrivatePostgres({**DURABLE, **settings}) as server:
        yield server


def store_truth(url: str, holders: int) -> None:
    """The table `truth(ordinal, wallet, balance)`."""
    with psycopg.connect(url) as conn:
        conn.execute("create table truth (ordinal bigint, wallet text, balance numeric)")
        with conn.cursor().copy("copy truth from stdin") as copy:
            at = 0
            for page in pages(holders):
                rows = zip(page, truth(page), strict=True)
                copy.write("".join(f"{at + i}\t0x{wallet.hex()}\t{balance}\n" for i, (wallet, balance) in enumerate(rows)))
                at += len(page)
        conn.execute("alter table truth add primary key (wallet)")


def reset(url: str, rows: int | None = None) -> None:
    """The table as it is before a lap: all (or so many) wallets with a balance of 0, of distinct ages in the order they lie in."""
    with psycopg.connect(url, autocommit=True) as conn:
        there = {name for (name,) in conn.execute("select tablename from pg_tables where schemaname = 'public'")}
        conn.execute(f"truncate {', '.join(name for name in (TABLE, *BOOKS) if name in there)}".encode())
        conn.execute(
            f"insert into {TABLE} (wallet, balance, updated_at) select wallet, 0, timestamp '2020-01-01' + ordinal * interval '1 ms' "
            "from truth order by ordinal limit %s".encode(),
            [rows],
        )
        conn.execute(f"vacuum analyze {TABLE}".encode())
        conn.execute("checkpoint")


def wrong(url: str, rows: int | None = None, table: str = TABLE) -> int:
    """How many of the wallets have no row, or one that is not the truth; and how many rows there are of no such wallet."""
    with psycopg.connect(url) as conn:
        found = conn.execute(
            f"""
            select count(*) from (select * from truth where %(rows)s::bigint is null or ordinal < %(rows)s) t
            full join {table} h on h.wallet = t.wallet where h.balance is distinct from t.balance
            """.encode(),
            {"rows": rows},
        ).fetchone()
        assert found is not None
        return int(found[0])
