"""The whole system on a simulated chain whose node is rationed: live events do not notice the sweep, and the sweep gets the rest."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
import trio.testing

from actors.config import load
from actors.system import System
from tests.simulation.chain import Chain, Change, config_toml, wallet_of
from tests.simulation.history import BASE
from tests.simulation.postgres import Connection, Host, Postgres
from tests.simulation.provider import Provider
from tests.simulation.tables import PLACEHOLDER, Row, Tables
from tests.simulation.trace import Trace

TABLE = "eth_wallet_balances"
WALLETS = [wallet_of(index) for index in range(400)]
HUNGRY = BASE.replace("interval_secs = 5\nbatch_size = 7", "interval_secs = 1\nbatch_size = 400")


class Town:
    """A system, its node, and when each call came to it. `refuses`: whether the node answers 429 to a call that comes now."""

    def __init__(self, folder: Path, chain: str, asset: str = "", ws: bool = False) -> None:
        self.chain = Chain(random.Random(1), WALLETS, number=1000)
        self.provider = Provider(self.chain, random.Random(2), ["a"])
        self.tables = Tables(trio.current_time)
        for wallet in WALLETS:
            self.tables.rows(TABLE)[wallet] = Row(0, None, None, PLACEHOLDER)
        self.postgres, self.host = Postgres(self.tables, random.Random(3), Trace()), Host("p")
        path = folder / "trueup.toml"
        keys = f"holders_per_call = 2\nconfirm_secs = 5\npoll_interval_secs = 2\n{chain}"
        path.write_text(HUNGRY + config_toml(["http://a.sim"], ["ws://a.sim"] if ws else [], keys, asset))
        self.config = load(path, {})
        self.calls: list[float] = []
        self.refused = 0
        self.refuses: Callable[[], bool] = lambda: False

    async def post(self, url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """As the node's."""
        asked = json.loads(body)
        self.calls += [trio.current_time()] * (len(asked) if isinstance(asked, list) else 1)
        if self.refuses():
            self.refused += 1
            await trio.lowlevel.checkpoint()
            return 429, {"retry-after": "2"}, b"too many requests"
        return await self.provider.post(url, body)

    def most_within(self, secs: float) -> int:
        """The most calls of any so many seconds."""
        return max(sum(at <= other < at + secs for other in self.calls) for at in self.calls)

    def swept(self) -> int:
        """How many rows have been read."""
        return sum(row.read_block is not None for row in self.tables.rows(TABLE).values())

    async def pay(self, wallet: bytes) -> float:
        """Mine a transfer; how long it takes until the receiver's row has it."""
        began = trio.current_time()
        block = self.chain.mine([Change("transfer", wallet, WALLETS[0], 1)], int(began))
        with trio.fail_after(120):
            while (self.tables.rows(TABLE)[wallet].blocknumber or 0) < block.number:
                await trio.sleep(0.05)
        return trio.current_time() - began


@asynccontextmanager
async def running(town: Town) -> AsyncIterator[System]:
    """The service, stopped cleanly at the end."""
    system = System(
        town.config, town, town.provider.connect, lambda url, name: Connection(town.postgres, town.host, name), holder="p"
    )
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(system.run, system.service(), stop.wait)
        await trio.sleep(5)
        yield system
        stop.set()


async def test_without_a_limit_the_sweep_asks_as_fast_as_it_can(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    town = Town(tmp_path, "")
    async with running(town):
        await trio.sleep(20)
    assert town.swept() == len(WALLETS)
    assert town.most_within(1) > 60


async def test_with_one_it_takes_what_live_events_leave_and_never_more_than_that(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    town = Town(tmp_path, "compute_units_per_sec = 20")
    async with running(town):
        town.calls.clear()  # the first look at the chain is one batch, larger than such a window
        await trio.sleep(30)
        assert town.swept() == len(WALLETS)
    assert 14 <= town.most_within(1) <= 20


async def test_live_events_do_not_wait_for_a_sweep_that_would_take_everything(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    town, free = Town(tmp_path, "compute_units_per_sec = 20"), Town(tmp_path, "")
    delays: dict[bool, list[float]] = {True: [], False: []}
    for limited, each in ((True, town), (False, free)):
        async with running(each):
            delays[limited] = [await each.pay(wallet) for wallet in WALLETS[1:15]]
    assert max(delays[True]) <= max(delays[False]) + 1.5


@pytest.mark.parametrize("cap", [1, 2000])
async def test_the_months_cap_holds_the_sweep_and_not_the_live_events(
    tmp_path: Path, cap: int, autojump_clock: trio.testing.MockClock
) -> None:
    """A sweep that waits for the next month must not hold up a live touch, not even of a wallet that it has in hand."""
    town = Town(tmp_path, f"compute_units_per_month = {cap}")
    async with running(town) as system:
        await trio.sleep(60)
        assert town.swept() < 50
        for wallet in WALLETS[-10:]:
            await town.pay(wallet)
        assert system.chains["sim"].budget.facts()["sweep_waits_for"] == "month"
    spent = {actor: 0 for actor in ("sweeper", "batcher", "subscriber")}
    for (_, _, actor, _), row in town.tables.spend.items():
        spent[actor] += row.units
    # An hour's worth at once, and what the batches under way ask for besides: a probe and a pin each.
    assert spent["sweeper"] <= cap * 3600 / (28 * 86_400) + 30
    assert spent["subscriber"] > spent["batcher"] >= 10


async def test_a_node_that_takes_so_many_calls_a_second_is_learned_and_hardly_refuses_any_more(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    town = Town(tmp_path, "")
    town.refuses = lambda: sum(at > trio.current_time() - 1 for at in town.calls[-100:]) > 15
    async with running(town):
        await trio.sleep(40)
        early, town.refused, calls = town.refused, 0, len(town.calls)
        await trio.sleep(60)
        assert early > 0
        assert town.refused < 0.02 * (len(town.calls) - calls)
        assert len(town.calls) - calls > 60 * 5
        assert town.swept() == len(WALLETS)


async def test_at_a_clean_stop_the_books_are_what_the_node_was_asked(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    town = Town(tmp_path, "")
    async with running(town) as system:
        await trio.sleep(8)
        for name in ("bookkeeper", "batcher:sim", "subscriber:sim"):
            assert system.kill(name)
        await trio.sleep(8)
    assert sum(row.calls for row in town.tables.spend.values()) == len(town.calls)
    counted = sum(
        sample.value
        for metric in system.metrics.registry.collect()
        for sample in metric.samples
        if sample.name == "trueup_rpc_calls_total"
    )
    assert counted == len(town.calls)


async def test_pushed_notifications_are_the_subscribers_and_cost_what_the_price_file_says(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    town = Town(tmp_path, 'follow = "heads"\nprices = "infura"', ws=True)
    async with running(town):
        for number in range(20):
            town.chain.mine([], number)
            await trio.sleep(1)
    (notes,) = (row for (_, _, actor, method), row in town.tables.spend.items() if (actor, method) == ("subscriber", "eth_subscription"))
    assert notes == (20, 20 * 300)
    (asked,) = (row for (_, _, actor, method), row in town.tables.spend.items() if (actor, method) == ("subscriber", "eth_subscribe"))
    assert asked == (1, 5)


async def test_a_target_age_is_kept_and_forecast(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    town = Town(tmp_path, 'prices = "alchemy"', "target_age_secs = 60")
    async with running(town) as system:
        await trio.sleep(60)
        for _ in range(60):
            await trio.sleep(3)
            oldest = min(row.updated_at for row in town.tables.rows(TABLE).values())
            assert (town.tables.now() - oldest).total_seconds() < 60
        found = system.view.assets["SIM"].forecast()
        assert found is not None
        assert (found["rows"], found["meets_target"], found["limited_by"]) == (400, True, "target_age_secs")
        assert (found["calls"], found["units"]) == (200, 200 * 26)  # two wallets a call
    spent = sum(row.units for (_, _, actor, method), row in town.tables.spend.items() if (actor, method) == ("sweeper", "eth_call"))
    assert spent == pytest.approx(found["units_a_month"] * 240 / (30 * 86_400), rel=0.3)


async def test_a_forecast_says_when_the_budget_is_too_small_for_the_target(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    town = Town(tmp_path, "compute_units_per_sec = 2", "target_age_secs = 60")
    async with running(town) as system:
        await trio.sleep(20)
        found = system.view.assets["SIM"].forecast()
    assert found is not None
    assert (found["meets_target"], found["limited_by"]) == (False, "budget")
