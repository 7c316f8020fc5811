"""From a mined block to its rows' commit, in `follow = "heads"`; web3.py's WebSocket with multicall.py and executemany beside it.

A block's time is from the moment at which the node had mined it to the commit of the last of its markers' rows (Postgres's own commit
timestamps). `trueup run` has its server, its confirmations and its sweeper on.
"""

from __future__ import annotations

import statistics
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psycopg

from actors.errors import TrueupError
from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.process import die_with_parent, free_port, stop
from bench import database, peers, service
from bench.floor import Floor, floor
from bench.node import node
from bench.report import Report, Table, interleaved, ratio, spread
from bench.scene import Scale, not_built, rung, rungs, source_words
from bench.service import Program
from bench.state import TOKEN
from bench.traffic import HOLDERS, Traffic
from bench.usage import cpu_secs

WARM_UP = 3
PATIENCE_SECS = 60
COMMITS = f"select pg_xact_commit_timestamp(xmin) from {database.TABLE} where wallet = any(%s)".encode()
Running = Callable[[str], AbstractContextManager[int]]  # starts what follows the chain on a database; its process


@dataclass(frozen=True)
class Load:
    """So many blocks, one every so many seconds, each with so many transfers."""

    transfers: int
    every_secs: float
    blocks: int


@dataclass(frozen=True)
class Lag:
    """Milliseconds from mined to committed, block by block; CPU milliseconds for 1,000 transfers."""

    millis: list[float]
    cpu: float

    def at(self, share: float) -> float:
        """A quantile."""
        return sorted(self.millis)[min(len(self.millis) - 1, int(share * len(self.millis)))]


def run(scale: Scale) -> Report:
    """See the module."""
    report = Report("live")
    side = Load(200, 0.2, scale.of(50, 5))
    heavy = Load(2_000, 0.5, scale.of(120, 6))
    with node(HOLDERS) as anvil, database.postgres() as server, service.folder() as folder:
        traffic = Traffic(anvil)
        there = rungs(folder, server.url("postgres"))
        report.notes += not_built(there)
        own = partial(_trueup, anvil, folder, rung(there[0]))
        measures: dict[str, Callable[[], Lag | Floor]] = {"trueup run": partial(_follow, scale, traffic, server, own, side)}
        if gone := scale.missing("multicall_py"):
            report.notes.append(f"web3.py + multicall.py: {gone['multicall_py']}")
        else:
            measures["web3.py + multicall.py"] = partial(_follow, scale, traffic, server, partial(_peer, anvil, folder), side)
        measures["floor"] = partial(_floor, anvil, server, folder, traffic, side)
        found = interleaved(scale.rounds, measures, scale.show)
        lags = {name: [one for one in values if isinstance(one, Lag)] for name, values in found.items() if name != "floor"}
        floors = [one for one in found["floor"] if isinstance(one, Floor)]
        scale.show(f"  {heavy.blocks} blocks of {heavy.transfers} transfers")
        load = _follow(scale, traffic, server, own, heavy)
    report.tables.append(_side_by_side(lags, side))
    report.tables += [_floors(floors), _under_load(load, heavy)]
    _headlines(report, lags, floors, load)
    return report


def _follow(scale: Scale, traffic: Traffic, server: PrivatePostgres, running: Running, load: Load) -> Lag:
    """The lag of whoever is started, over a load; every row is judged at the end."""
    server.drop("live")
    url = server.fresh("live")
    traffic.touched.clear()
    with running(url) as pid, psycopg.connect(url, autocommit=True) as conn:
        for _ in range(WARM_UP):
            _wait(conn, traffic, *_next(traffic, load.transfers))
        used, waiting, lags = cpu_secs(pid), deque[tuple[list[bytes], float]](), []
        due = time.monotonic()
        for _ in range(load.blocks):
            markers = traffic.queue(load.transfers)
            time.sleep(max(0.0, due - time.monotonic()))
            waiting.append((markers, traffic.mine()))
            due += load.every_secs
            # Soon, since a tick of the sweep may be next to write these rows: then that would be their last commit.
            while waiting and (lag := _lag(conn, *waiting[0])) is not None:
                lags.append(lag * 1e3)
                waiting.popleft()
        lags += [_wait(conn, traffic, markers, mined) * 1e3 for markers, mined in waiting]
        cpu = (cpu_secs(pid) - used) * 1e6 / (load.blocks * load.transfers)
        traffic.store_truth(url)
        if wrong := database.wrong(url):
            raise TrueupError(f"live: {wrong} rows are not the truth")
    return Lag(lags, cpu)


def _floor(anvil: Anvil, server: PrivatePostgres, folder: Path, traffic: Traffic, load: Load) -> Floor:
    """On a table as the program makes it."""
    server.drop("floor")
    url = server.fresh("floor")
    Program(folder, url, anvil.http).run("init")
    return floor(anvil, url, traffic, load.transfers, load.blocks)


def _next(traffic: Traffic, transfers: int) -> tuple[list[bytes], float]:
    return traffic.queue(transfers), traffic.mine()


def _wait(conn: psycopg.Connection, traffic: Traffic, markers: list[bytes], mined: float) -> float:
    """Seconds from mined to the commit of the last marker's row, once all are there."""
    deadline = time.monotonic() + PATIENCE_SECS
    while (lag := _lag(conn, markers, mined)) is None:
        if time.monotonic() > deadline:
            raise TrueupError(f"live: a block's rows are not there after {PATIENCE_SECS} s; the head is {traffic.block()}")
        time.sleep(0.02)
    return lag


def _lag(conn: psycopg.Connection, markers: list[bytes], mined: float) -> float | None:
    """Seconds from mined to the commit of the last marker's row; None before all are there."""
    rows = conn.execute(COMMITS, [["0x" + marker.hex() for marker in markers]]).fetchall()
    if len(rows) < len(markers):
        return None
    last: float = max(at.timestamp() for (at,) in rows)
    return last - mined


@contextmanager
def _trueup(anvil: Anvil, folder: Path, chain: str, url: str) -> Iterator[int]:
    server = f"127.0.0.1:{free_port()}"
    program = Program(folder, url, anvil.http, anvil.ws, chain + '\nfollow = "heads"', server=server)
    program.run("init")
    with program.running() as process, psycopg.connect(url, autocommit=True) as conn:
        deadline = time.monotonic() + PATIENCE_SECS
        while not conn.execute("select from eth_indexer_checkpoints").fetchall():
            if process.poll() is not None or time.monotonic() > deadline:
                raise TrueupError("trueup run does not start")
            time.sleep(0.05)
        time.sleep(1)  # the socket
        yield process.pid


@contextmanager
def _peer(anvil: Anvil, folder: Path, url: str) -> Iterator[int]:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(f"create table {database.TABLE} (wallet text primary key, balance numeric, read_block bigint)")
    log = folder / "peer.log"
    with log.open("wb") as out:
        command = peers.command("multicall_py", "live.py", anvil.http, anvil.ws, url, TOKEN, *source_words())
        process = subprocess.Popen(command, stdout=out, stderr=out, preexec_fn=die_with_parent)
    try:
        deadline = time.monotonic() + PATIENCE_SECS
        while b"following" not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > deadline:
                raise TrueupError(f"web3.py + multicall.py does not start: {log.read_text()[-500:]}")
            time.sleep(0.05)
        yield process.pid
    finally:
        stop(process, 15)


def _side_by_side(lags: dict[str, list[Lag]], load: Load) -> Table:
    title = f"Mined to committed, ms: {load.transfers} transfers a block, {1 / load.every_secs:.0f} blocks a second, {load.blocks} blocks a round"
    table = Table(title, ["", "p50", "p99", "CPU ms for 1,000 transfers"])
    for name, values in lags.items():
        table.rows.append([name, spread([v.at(0.5) for v in values]), spread([v.at(0.99) for v in values]), spread([v.cpu for v in values])])
    return table


def _floors(floors: list[Floor]) -> Table:
    table = Table("The floor, ms: one block's answers and commit, by prepared bytes", ["the block's logs", "the read", "the rows' transaction", "in all"])
    parts = [[statistics.median(getattr(one, name)) for one in floors] for name in ("logs", "read", "write", "sums")]
    table.rows.append([spread(values) for values in parts])
    return table


def _under_load(lag: Lag, load: Load) -> Table:
    title = f"Mined to committed, ms: {load.transfers} transfers a block, {1 / load.every_secs:.0f} blocks a second, {load.blocks} blocks"
    first, last = _thirds(lag)
    row = ["trueup run", spread([lag.at(0.5)]), spread([lag.at(0.99)]), spread([first]), spread([last]), spread([lag.cpu])]
    return Table(title, ["", "p50", "p99", "median of the first third", "of the last third", "CPU ms for 1,000 transfers"], [row])


def _thirds(lag: Lag) -> tuple[float, float]:
    size = max(1, len(lag.millis) // 3)
    return statistics.median(lag.millis[:size]), statistics.median(lag.millis[-size:])


def _headlines(report: Report, lags: dict[str, list[Lag]], floors: list[Floor], load: Lag) -> None:
    ours, theirs = lags["trueup run"], lags.get("web3.py + multicall.py")
    if theirs:
        both = [ratio([t.at(share) for t in theirs], [o.at(share) for o in ours]) for share in (0.5, 0.99)]
        most = ratio([t.at(0.5) for t in theirs], [one.millis for one in floors])
        report.headlines["live"] = " / ".join(both) + f"; the node's and the database's own time leaves p50 {most} at most"
    else:
        report.headlines["live"] = "; ".join(report.notes)
    first, last = _thirds(load)
    grows = "grows" if last > 2 * first else "does not grow"
    report.headlines["live_load"] = f"lag {grows} (median {first:.0f} ms in the first third, {last:.0f} in the last); p99 {load.at(0.99):.0f} ms"
