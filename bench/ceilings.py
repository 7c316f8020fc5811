"""What the node and Postgres can do at most, each alone, in the minutes of the run: what a sweep is compared with."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import psycopg

from bench import database
from bench.canned import replay
from bench.holders import truth, wallets
from bench.proxy import Proxy
from bench.scene import Stage

CONNECTIONS = 2
AT_ONCE = 5_000
UPSERT = f"""
insert into {database.TABLE} as h (wallet, balance, read_block, updated_at)
select wallet, balance, 1, clock_timestamp() from unnest(%s::text[], %s::numeric[]) r(wallet, balance)
on conflict (wallet) do update set balance = excluded.balance, read_block = excluded.read_block, updated_at = excluded.updated_at
""".encode()
ATTESTED_CALLS, SOURCES_EACH = 5, 3


def fullest_call(stage: Stage, port: int, chain: str, rows: int) -> bytes:
    """The body of the largest `eth_call` that a sweep of so many rows makes."""
    with Proxy(port) as proxy:
        database.reset(stage.url, rows)
        stage.program(proxy.http, chain=chain).run("sweep")
        return proxy.largest()


def holders_in(body: bytes) -> int:
    """How many wallets a call reads."""
    data = json.loads(body)["params"][0]["data"][2:]
    if data.startswith("82ad56cb"):
        return (int(data[8 + 64 : 8 + 128], 16) - ATTESTED_CALLS) // SOURCES_EACH
    return len(data) // 40


def node_rate(port: int, body: bytes, secs: float, folder: Path) -> float:
    """Wallets a second of the node alone: the fullest call over two connections."""
    return replay(port, body, CONNECTIONS, secs, folder) * holders_in(body)


def postgres_rate(stage: Stage, rows: int) -> float:
    """Rows a second of Postgres alone: every row of the table upserted by two writers, from arrays that are made before."""
    database.reset(stage.url, rows)
    some = wallets(rows)
    pages = [_literals(some[at : at + AT_ONCE]) for at in range(0, rows, AT_ONCE)]
    writers = [threading.Thread(target=_write, args=(stage.url, pages[at::CONNECTIONS])) for at in range(CONNECTIONS)]
    began = time.perf_counter()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    rate = rows / (time.perf_counter() - began)
    stage.check(rows)
    return rate


def _literals(page: list[bytes]) -> tuple[str, str]:
    return "{" + ",".join(f"0x{wallet.hex()}" for wallet in page) + "}", "{" + ",".join(map(str, truth(page))) + "}"


def _write(url: str, pages: list[tuple[str, str]]) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        for page in pages:
            conn.execute(UPSERT, page)


def harmonic(node: float, postgres: float) -> float:
    """What both can do together where they share the machine's cores."""
    return 1 / (1 / node + 1 / postgres)
