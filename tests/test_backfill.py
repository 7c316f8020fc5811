"""A backfill on a real chain and a real Postgres: what it has found when it ends, whatever happened meanwhile."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from actors import gather
from actors.askings import Askings
from actors.backfill import Backfill
from actors.child import ChildSpec
from actors.errors import ConfigError
from actors.evm.block import Header
from actors.evm.http import HttpClient
from actors.evm.pool import Pool
from actors.gather import AHEAD, UNDER_WAY
from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from actors.system import System
from tests.proxy import Answer, Ask, Call, open_proxy
from tests.proxy_faults import HangUp, Hold, Lag, LogCap, Tally
from tests.proxy_world import world_behind
from tests.world import PATIENCE_SECS, World, eventually

CHAIN: dict[str, Any] = {"ws": False, "chain": "poll_interval_secs = 0.1\nmax_log_blocks = 2"}
STRANGER = b"\x5a" * 20


@dataclass
class Job:
    """A backfill of the town's asset from block `first` on, its system, and what it showed."""

    world: World
    system: System
    first: int
    last: int | None
    done: trio.Event = field(default_factory=trio.Event)
    shown: list[tuple[int, int]] = field(default_factory=list)

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        ports = self.system.chains["town"]
        await Backfill(ports, ports.assets["TOWN"], self.first, self.last, lambda *at: self.shown.append(at)).run()
        self.done.set()

    def readings(self) -> int:
        """How many wallets were read."""
        return int(self.system.metrics.readings.labels("TOWN")._value.get())

    async def ends(self) -> None:
        with trio.fail_after(PATIENCE_SECS):
            await self.done.wait()


@asynccontextmanager
async def backfill(world: World, first: int = 0, last: int | None = None) -> AsyncIterator[Job]:
    """A backfill that is under way; cut off where the block ends before it has."""
    async with HttpClient() as client:
        system = System(world.config, client)
        job = Job(world, system, first, last)
        await system.check()
        specs = [spec for spec in system.specs([ChildSpec("job", job.run, restart="transient")]) if spec.name != "server"]
        async with trio.open_nursery() as nursery:

            async def service(*, task_status: trio.TaskStatus[None]) -> None:
                await system.run(specs, trio.sleep_forever, task_status=task_status)

            await nursery.start(service)
            yield job
            nursery.cancel_scope.cancel()


def mark(world: World, first: int = 0) -> int | None:
    """The backfill's own checkpoint."""
    found = world.query("SELECT last_block FROM eth_indexer_checkpoints WHERE name = %s", f"audio_transfers:backfill:{first}")
    return found[0][0] if found else None


def is_right(world: World, since: int = 0) -> bool:
    """Whether every wallet that a canonical log touched has its balance and its last log's block in its row."""
    touched = world.town.last_events(since)
    truth = world.town.truths(list(touched), world.town.block())
    return world.rows() == {wallet: (truth[wallet], block) for wallet, block in touched.items()}


def is_healed(world: World) -> bool:
    """As above, after a reorg: an orphaned event may have left its block, or the fork's, where the wallet's last log is older."""
    touched = world.town.last_events(0)
    return STRANGER in touched and {w: b for w, (b, _) in world.rows().items()} == world.town.truths(list(touched), world.town.block())


def move(town: Town, count: int) -> None:
    """So many blocks of one transfer each."""
    with town.by_hand():
        for at in range(count):
            town.transfer(town.wallets[at % 5], town.wallets[5 + at % 7], 1 + at)
            town.settle()


def asks_for_logs(call: Call) -> bool:
    return call.method == "eth_getLogs"


def reads(town: Town, call: Call) -> bool:
    return call.method == "eth_call" and town.token[2:].lower() in str(call.params)


def first_asked(call: Call) -> int:
    return int(call.params[0]["fromBlock"], 16)


async def test_a_wallet_is_read_once_however_many_blocks_it_was_touched_in(tmp_path: Path, database_url: str, town: Town) -> None:
    move(town, 40)
    world = World(tmp_path, database_url, town, **CHAIN)
    async with backfill(world) as job:
        await job.ends()
        assert is_right(world)
        assert job.readings() == len(world.rows()) >= 20
        assert mark(world) == town.block()


@dataclass(eq=False)
class Asked(Tally):
    """Counts questions for logs; `firsts` are their first blocks, `ahead` how far above the checkpoint the farthest began."""

    world: World | None = None
    firsts: list[int] = field(default_factory=list)
    ahead: int = 0

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        if asks_for_logs(call):
            self.firsts.append(first_asked(call))
            if self.world is not None:
                done = await trio.to_thread.run_sync(mark, self.world, self.world.town.started_at + 1)
                self.ahead = max(self.ahead, first_asked(call) - (done or 0))
        return await ask(call)


async def test_the_next_window_is_gathered_while_one_is_read_and_no_further(
    tmp_path: Path, database_url: str, town: Town, anvil: Anvil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "MOST_WALLETS", 5)
    move(town, 60)
    first = town.started_at + 1
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **CHAIN)
        proxy.add(held := Hold(lambda call: reads(town, call)))
        with proxy.fault(Asked(world=world)) as asked:
            async with backfill(world, first) as job:
                await eventually(lambda: bool(held.held) and job.shown[-1][0] >= 8, "a window that is read, and one that is gathered")
                assert mark(world, first) == first - 1
                proxy.remove(held)
                await job.ends()
                assert is_right(world, first - 1)
                assert asked.ahead <= 2 * 8 + 2 * (UNDER_WAY + AHEAD)
                assert sorted(job.shown) == job.shown
                assert len(job.shown) > 20
                assert {total for _, total in job.shown} == {town.block() - first + 1}


async def test_it_goes_on_where_it_stopped(
    tmp_path: Path, database_url: str, town: Town, anvil: Anvil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "MOST_WALLETS", 5)
    move(town, 40)
    first = town.started_at + 1
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **CHAIN)
        far = first + 20
        with proxy.fault(Hold(lambda call: asks_for_logs(call) and first_asked(call) >= far)):
            async with backfill(world, first):
                await eventually(lambda: (mark(world, first) or 0) >= first + 5, "a window that is done")
        stopped = mark(world, first)
        assert stopped is not None
        assert stopped < town.block()
        with proxy.fault(Asked()) as asked:
            async with backfill(world, first) as job:
                await job.ends()
                assert min(asked.firsts) == stopped + 1
                assert job.shown[0] == (stopped - first + 1, town.block() - first + 1)
                assert is_right(world, first - 1)


async def test_whoever_is_killed_meanwhile_nothing_is_lost(
    tmp_path: Path, database_url: str, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "MOST_WALLETS", 5)
    move(town, 50)
    world = World(tmp_path, database_url, town, **CHAIN)
    async with backfill(world, town.started_at + 1) as job:
        for kills, name in enumerate(itertools.cycle(("job", "batcher:town", "writer"))):
            with trio.move_on_after(0.05 * (1 + len(job.shown) % 4) + 0.002 * kills):  # a slow machine gets anywhere, too
                await job.done.wait()
            if job.done.is_set():
                break
            job.system.kill(name)
        assert is_right(world, town.started_at)
        assert mark(world, town.started_at + 1) == town.block()
        assert not job.system.book.open_of("backfill", "town")


async def test_ranges_that_a_provider_refuses_are_asked_for_in_smaller_parts(
    tmp_path: Path, database_url: str, town: Town, anvil: Anvil
) -> None:
    move(town, 30)
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, ws=False)
        with proxy.fault(LogCap(3, "results", message="query returned more than {most} results")) as refused:
            async with backfill(world, town.started_at + 1) as job:
                await job.ends()
                assert refused.struck
                assert is_right(world, town.started_at)


async def test_a_failing_endpoint_is_left_for_another_one(tmp_path: Path, database_url: str, town: Town, anvil: Anvil) -> None:
    move(town, 20)
    async with open_proxy(anvil) as bad, open_proxy(anvil) as good:
        world = world_behind(tmp_path, database_url, town, bad, good, **CHAIN)
        with bad.fault(HangUp(methods=["eth_getLogs"])) as failing, good.fault(Tally(asks_for_logs)) as asked:
            async with backfill(world, town.started_at + 1) as job:
                await job.ends()
                assert failing.struck
                assert asked.struck
                (error,) = [one for one in next(iter(job.system.metrics.node_errors.collect())).samples if one.name.endswith("_total")]
                assert (error.labels["endpoint"], error.value) == (job.system.chains["town"].pool.endpoints[0].name, 1)
                assert is_right(world, town.started_at)


@pytest.mark.parametrize("lag", [1, 10])
async def test_a_node_that_is_behind_is_not_believed_that_there_are_no_logs(
    lag: int, tmp_path: Path, database_url: str, town: Town, anvil: Anvil
) -> None:
    move(town, 20)
    async with open_proxy(anvil) as behind, open_proxy(anvil) as good:
        world = world_behind(tmp_path, database_url, town, behind, good, **CHAIN)
        with behind.fault(Lag(lag)) as lagging:
            async with backfill(world, town.started_at + 1, town.block()) as job:
                await job.ends()
                assert lagging.struck
                assert is_right(world, town.started_at)


def fork(anvil: Anvil, town: Town, snapshot: str, blocks: int) -> None:
    """Go back to the snapshot and take another way, which touches somebody whom nobody has heard of."""
    anvil.rpc("evm_revert", snapshot)
    town.transfer(town.wallets[2], STRANGER, 77)
    for _ in range(blocks - 1):
        town.mine()


def outgrow(town: Town, head: int) -> None:
    """The new branch gets longer than the old one was: on a busy machine that has more blocks than transfers."""
    while town.block() <= head:
        town.mine()


@pytest.mark.parametrize("blocks", [3, 7, 12], ids=["a shorter branch", "as long", "a longer branch"])
async def test_a_reorg_while_it_reads_heals_with_nobody_else_there_to_see_it(
    blocks: int, tmp_path: Path, database_url: str, town: Town, anvil: Anvil
) -> None:
    move(town, 20)
    before = anvil.rpc("evm_snapshot")
    move(town, 7)
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **CHAIN)
        proxy.add(held := Hold(lambda call: reads(town, call)))
        old = town.block()
        async with backfill(world) as job:
            await eventually(lambda: bool(held.held), "a read")
            fork(anvil, town, before, blocks)
            proxy.remove(held)
            if blocks <= 7:  # the checkpoint that it made stands at the head of the old one: what is read there is of no use
                seen = proxy.asked["eth_getBlockByNumber"]
                await eventually(lambda: proxy.asked["eth_getBlockByNumber"] > seen + 3, "some looks at the shorter branch")
            outgrow(town, old)
            await job.ends()
            assert is_healed(world)


async def test_a_reorg_while_it_is_gathering_heals(tmp_path: Path, database_url: str, town: Town, anvil: Anvil) -> None:
    move(town, 20)
    before = anvil.rpc("evm_snapshot")
    move(town, 7)
    at = town.block() - 4
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **CHAIN)
        proxy.add(held := Hold(lambda call: asks_for_logs(call) and first_asked(call) >= at))
        async with backfill(world) as job:
            await eventually(lambda: bool(held.held), "the last ranges")
            fork(anvil, town, before, 12)
            outgrow(town, at + 4)
            proxy.remove(held)
            await job.ends()
            assert is_healed(world)


async def test_a_reorg_after_its_end_is_seen_by_the_next_one(tmp_path: Path, database_url: str, town: Town, anvil: Anvil) -> None:
    move(town, 20)
    before = anvil.rpc("evm_snapshot")
    move(town, 7)
    world = World(tmp_path, database_url, town, **CHAIN)
    async with backfill(world) as job:
        await job.ends()
    fork(anvil, town, before, 12)
    async with backfill(world) as job:
        await job.ends()
        assert is_healed(world)


async def test_what_follows_the_head_is_left_to_the_live_path_whose_checkpoint_begins_there(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    move(town, 5)
    world = World(tmp_path, database_url, town, **CHAIN)
    async with backfill(world, 0, town.block() - 2) as job:
        await job.ends()
    assert world.marks() is None
    async with backfill(world) as job:
        await job.ends()
    stopped = town.block()
    assert world.marks() == (stopped, stopped)
    move(town, 5)
    async with backfill(world) as job:
        await job.ends()
    assert world.marks() == (stopped, stopped)


async def test_its_questions_are_paid_for_as_its_own(tmp_path: Path, database_url: str, town: Town) -> None:
    world = World(tmp_path, database_url, town, **CHAIN)
    async with backfill(world) as job:
        await job.ends()
        spent = job.system.chains["town"].budget.tally.unsaved()
        saved = world.query("SELECT actor FROM trueup_spend WHERE method = 'eth_getLogs'")
        assert {who for who, method in spent if method == "eth_getLogs"} | {who for (who,) in saved} == {"backfill"}


async def test_a_reading_on_a_branch_that_it_did_not_gather_hides_no_block_from_a_reorg(
    tmp_path: Path, database_url: str, town: Town, anvil: Anvil, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first window is read on the new branch while that is shorter: the block that this leaves is not the fork."""
    monkeypatch.setattr(gather, "MOST_WALLETS", 20)  # they are minted to in the first blocks
    move(town, 6)
    before = anvil.rpc("evm_snapshot")
    for _ in range(7):
        town.transfer(town.wallets[0], town.wallets[5], 1)
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **CHAIN)
        proxy.add(held := Hold(lambda call: reads(town, call)))
        proxy.add(asked := Asked())
        last = town.block()
        async with backfill(world, last=last) as job:
            await eventually(lambda: bool(held.held) and max(asked.firsts) >= last - 1, "a read, with all else gathered")
            fork(anvil, town, before, 2)
            proxy.remove(held)
            await eventually(lambda: bool(world.rows()), "the first window's rows")
            for _ in range(8):
                town.mine()
            await job.ends()
            assert is_healed(world)


async def test_a_checkpoint_that_was_taken_below_its_first_block_begins_there(tmp_path: Path, database_url: str, town: Town) -> None:
    move(town, 6)
    world = World(tmp_path, database_url, town, **CHAIN)
    for _ in range(2):
        async with backfill(world, first=5, last=4) as job:
            await job.ends()
        world.query("UPDATE eth_indexer_checkpoints SET last_block = 2, confirmed = 2 WHERE name = 'audio_transfers:backfill:5'")
    assert world.rows() == {}


@pytest.mark.parametrize("count", [1, 2, 3])
async def test_a_last_block_that_no_endpoint_has_is_refused(count: int, autojump_clock: trio.testing.MockClock) -> None:
    pool = Pool([f"http://node{index}" for index in range(count)], 1, HttpClient(), trio.current_time)
    for endpoint in pool.endpoints:
        endpoint.header = _head_500  # type: ignore[method-assign]  # all that it is asked
    view, config = SimpleNamespace(branch=0), SimpleNamespace(max_log_blocks=1)
    ports: Any = SimpleNamespace(pool=pool, failed=pool.failed, saw_head=lambda head: None, view=view, config=config, askings={"A": Askings()})
    asset: Any = SimpleNamespace(name="A", checkpoint="a", triggers=())
    with trio.fail_after(60), pytest.raises(ConfigError, match="no block 501 yet"):
        await Backfill(ports, asset, 0, 501, lambda done, of: None)._go_on()


async def _head_500(at: int | str) -> Header:
    await trio.sleep(0.05)
    return Header(500, b"\x01" * 32, bytes(32), 0, bytes(32))
