"""`trueup demo`: the whole system on a private Postgres and a private chain, with traffic, in one terminal.

It runs the same `System` as `trueup run`. With `--for` it ends by itself: traffic stops, the last events are waited for, the service is
stopped, and every row is compared with the chain through plain `eth_call`s that share no code with the batcher.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psycopg
import trio

from actors import log as logs
from actors.cli.run import first
from actors.config import load
from actors.evm.http import HttpClient
from actors.sandbox import carried, judge
from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from actors.store import schema
from actors.supervisor import GaveUp, first_of
from actors.system import System

PER_ROUND = 20
ROUND_SECS = 0.5
CATCH_UP_SECS = 60
CONFIG = """
[database]
url = "{database}"
[server]
bind = "{bind}"
[sweeper]
interval_secs = 1
batch_size = {batch_size}
[chaos]
enabled = {chaos}
token = "demo"
kill_every_secs = {kill_every_secs}
[supervisor]
grace_secs = 10
{town}
"""


@dataclass
class Demo:
    """What the demo's tasks share."""

    args: argparse.Namespace
    town: Town
    database: str
    system: System
    half_rss: int = 0
    end_rss: int = 0
    sent: int = 0
    stop_traffic: trio.Event = field(default_factory=trio.Event)
    traffic_ended: trio.Event = field(default_factory=trio.Event)


def rss() -> int:
    """This process's resident memory in bytes (0 where /proc is not there)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def say(text: str) -> None:
    """One line to whoever watches."""
    print(text, flush=True)


async def traffic(demo: Demo) -> None:
    """Transfers, stakes and delegations until told to stop; from the first checkpoint on, since what came before it was promised to nobody."""
    asset = next(iter(demo.system.view.assets.values()))
    while asset.checkpoint_block is None and not demo.stop_traffic.is_set():
        await trio.sleep(0.05)
    while not demo.stop_traffic.is_set():
        await trio.to_thread.run_sync(demo.town.traffic, PER_ROUND)
        demo.sent += PER_ROUND
        with trio.move_on_after(ROUND_SECS):
            await demo.stop_traffic.wait()
    demo.traffic_ended.set()


async def show(demo: Demo) -> None:
    """One line every other second: what moves, and whether the actors live."""
    began = trio.current_time()
    while True:
        rows, fresh, newest = await trio.to_thread.run_sync(judge.counts, demo.database)
        block = await trio.to_thread.run_sync(demo.town.block)  # a node that hangs must not hang the service
        view = next(iter(demo.system.view.assets.values()))
        children = demo.system.supervisor.children.values()
        running = sum(child.state == "running" for child in children)
        say(
            f"{trio.current_time() - began:5.0f} s  block {block:>6}  closed {view.checkpoint_block or 0:>6}  sent {demo.sent:>6}"
            f"  rows {rows:>6} ({fresh} read)  newest event {newest:>6}  actors {running}/{len(children)}"
            f"  restarts {sum(child.restarts for child in children):>4}  {rss() / 2**20:.0f} MB"
        )
        await trio.sleep(2)


async def _caught_up(demo: Demo) -> bool:
    """Whether every block that has some of the traffic is closed, asked of Postgres, within a bound."""
    with trio.move_on_after(CATCH_UP_SECS):
        await demo.traffic_ended.wait()
        await trio.to_thread.run_sync(demo.town.settle)
        head = await trio.to_thread.run_sync(demo.town.block)
        while True:
            marks = await trio.to_thread.run_sync(judge.closed, demo.database)
            _, fresh, _ = counts = await trio.to_thread.run_sync(judge.counts, demo.database)
            if marks >= head and (demo.args.no_sweep or fresh == counts[0]):
                return True
            await trio.sleep(0.2)
    return False


async def ends(demo: Demo, signals: object) -> None:
    """Return when the demo is over: by `--for`, or by a signal."""
    if demo.args.for_secs is None:
        await first(signals)  # type: ignore[arg-type]  # trio's receiver has no public type
        demo.stop_traffic.set()
        return
    with trio.move_on_after(demo.args.for_secs / 2):
        await first(signals)  # type: ignore[arg-type]  # as above
    demo.half_rss = rss()
    await trio.sleep(demo.args.for_secs / 2)
    demo.stop_traffic.set()
    if not await _caught_up(demo):
        say(f"the last events are not in the rows after {CATCH_UP_SECS} s")
    demo.end_rss = rss()


async def run(demo_of: Callable[[HttpClient], Demo]) -> tuple[int, Demo]:
    """Run the system with traffic; 0 when it stopped cleanly."""
    import signal

    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with HttpClient() as client:
            demo = demo_of(client)
            await demo.system.check()
            code = 0
            try:
                async with trio.open_nursery() as nursery:
                    specs = [s for s in demo.system.service() if not (demo.args.no_sweep and s.name.startswith("sweeper"))]
                    service = partial(demo.system.run, specs, partial(ends, demo, signals))
                    helpers = await nursery.start(_beside, demo)
                    await service()
                    helpers.cancel()
            except* GaveUp as group:
                say(f"trueup: {first_of(group)}")
                code = 1
    return code, demo


async def _beside(demo: Demo, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(traffic, demo)
        nursery.start_soon(show, demo)
        task_status.started(nursery.cancel_scope)


def _seed(database: str, wallets: list[bytes]) -> None:
    with psycopg.connect(database) as conn, conn.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO eth_wallet_balances (wallet, updated_at) VALUES (%s, '1970-01-01')",
            [("0x" + wallet.hex(),) for wallet in wallets],
        )


def _config_text(args: argparse.Namespace, database: str, town: Town) -> str:
    return CONFIG.format(
        database=database,
        bind="127.0.0.1:1325" if args.for_secs is None else "127.0.0.1:0",
        batch_size=max(50, args.wallets // 10),
        chaos="true" if args.chaos else "false",
        kill_every_secs=60 / args.kills_per_minute if args.chaos else 0,
        town=town.toml(),
    )


def _verdict(demo: Demo, code: int) -> int:
    kills = sum(child.restarts for child in demo.system.supervisor.children.values())
    if demo.half_rss:
        growth = demo.end_rss / demo.half_rss - 1
        say(f"memory: {demo.half_rss / 2**20:.0f} MB at half time, {demo.end_rss / 2**20:.0f} MB at the end ({growth:+.0%})")
    say(f"restarts: {kills}")
    if demo.args.for_secs is None:
        return code
    found = judge.compare(demo.database, demo.town)
    say(f"compared {found.rows} rows with the chain at block {found.head}, {found.touched} of them touched: {len(found.differences)} differ")
    for line in found.differences[:20]:
        say("  " + line)
    return 1 if found.differences else code


def main(args: argparse.Namespace) -> int:
    """The command."""
    logs.setup("WARNING" if not sys.stdout.isatty() else "ERROR")
    with carried.unpacked(), PrivatePostgres() as postgres, Anvil(block_time=1) as anvil, tempfile.TemporaryDirectory() as folder:
        say("a private Postgres and a private chain are up; deploying the token, staking and delegation")
        town = Town(anvil, wallets=args.wallets, seed=random.randrange(2**32))
        say(f"seeded {args.wallets} wallets by block {town.block()}")
        database = postgres.url("postgres")
        path = Path(folder, "demo.toml")
        path.write_text(_config_text(args, database, town))
        config = load(str(path))
        with psycopg.connect(database) as conn:
            schema.init(conn, config)
        if not args.no_sweep:
            _seed(database, town.wallets)

        def build(client: HttpClient) -> Demo:
            return Demo(args, town, database, System(config, client))

        code, demo = trio.run(run, build)
        return _verdict(demo, code)
