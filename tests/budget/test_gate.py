"""What every request passes, under virtual time: nobody waits without need, live calls come first, and the dead leave nothing behind."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from actors.budget.gate import Budget
from actors.budget.governor import Governor
from actors.budget.month import DAY, MonthSpent
from actors.budget.prices import Prices
from actors.budget.spender import Spender, spend_as, spending
from actors.budget.tally import Spent
from actors.child import ChildSpec
from actors.config import SupervisorConfig
from actors.progress import Efforts, account_to, effort
from actors.supervisor import Supervisor

PRICES = Prices("mine", default=10, window_secs=10, methods={"eth_call": 26, "eth_chainId": 0})
CALL = ["eth_call"]


def budget(limit: int = 0, cap: int = 0) -> Budget:
    return Budget("town", Governor(PRICES, limit, cap, trio.current_time))


async def test_without_a_limit_a_call_is_let_through_without_giving_way_to_anybody() -> None:
    free = budget()
    with trio.testing.assert_no_checkpoints():
        for _ in range(1000):
            await free.pay(CALL)
    assert free.tally.units == 26_000


async def test_live_calls_fill_the_window_and_no_more(autojump_clock: trio.testing.MockClock) -> None:
    limited = budget(limit=26)
    paid: list[float] = []
    for _ in range(40):
        await limited.pay(CALL)
        paid.append(trio.current_time())
    for at in paid:
        assert sum(at <= other < at + 10 for other in paid) <= 10
    assert paid[-1] == pytest.approx(30, abs=1)


async def test_who_came_first_is_served_first(autojump_clock: trio.testing.MockClock) -> None:
    limited = budget(limit=26)
    served: list[int] = []

    async def ask(number: int) -> None:
        await trio.sleep(number / 100)
        await limited.pay(CALL)
        served.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(30):
            nursery.start_soon(ask, number)
    assert served == list(range(30))


async def test_a_cheap_call_does_not_overtake_a_dear_one_that_waits(autojump_clock: trio.testing.MockClock) -> None:
    limited, served = budget(limit=26), list[str]()

    async def ask(method: str) -> None:
        await limited.pay([method])
        served.append(method)

    for _ in range(9):
        await limited.pay(CALL)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, "eth_getLogs")
        await trio.sleep(1)
        for method in ("eth_call", "eth_getLogs"):  # the first finds no room, the second would
            nursery.start_soon(ask, method)
            await trio.sleep(0.1)
    assert served == ["eth_getLogs", "eth_call", "eth_getLogs"]


async def test_a_caller_that_is_killed_while_it_waits_leaves_nothing_behind(autojump_clock: trio.testing.MockClock) -> None:
    limited = budget(limit=26)
    for _ in range(10):
        await limited.pay(CALL)
    with trio.move_on_after(1) as killed:
        await limited.pay(CALL)
    assert killed.cancelled_caught
    assert (limited.governor.live_waiting, limited.governor.window_units, limited.tally.units) == (0, 260, 260)
    with trio.fail_after(11):
        await limited.pay(CALL)


async def test_a_batch_of_the_sweep_that_is_killed_before_its_call_holds_its_units_for_a_window_only(
    autojump_clock: trio.testing.MockClock,
) -> None:
    limited = budget(limit=26)
    with limited.batch(live=False):
        pass
    assert (limited.governor.window_units, limited.tally.units) == (26, 0)
    await trio.sleep(11)
    assert limited.governor.window_units == 0


async def test_a_batchs_call_is_counted_once_and_is_the_sweepers() -> None:
    limited = budget(limit=1000)
    with limited.batch(live=False):
        await limited.pay(["eth_getBlockByNumber"])
        await limited.pay(CALL)
    assert limited.governor.window_units == limited.tally.units == 36
    assert limited.tally.unsaved() == {("sweeper", "eth_getBlockByNumber"): Spent(1, 10), ("sweeper", "eth_call"): Spent(1, 26)}


async def test_the_sweep_does_not_wait_with_a_call_in_its_hand(autojump_clock: trio.testing.MockClock) -> None:
    limited = budget(limit=26)
    for _ in range(10):
        await limited.pay(CALL)
    assert limited.sweep_secs() > 0
    with limited.batch(live=False), trio.testing.assert_no_checkpoints():
        await limited.pay(CALL)


async def test_the_sweep_may_begin_again_after_the_time_that_it_was_told(autojump_clock: trio.testing.MockClock) -> None:
    limited = budget(limit=26)
    began = 0
    with trio.move_on_after(100):
        while True:
            if secs := limited.sweep_secs():
                await trio.sleep(secs)
                continue
            with limited.batch(live=False):
                await limited.pay(CALL)
            began += 1
    assert began == pytest.approx(0.8 * 100, rel=0.15)


async def test_a_live_call_that_waits_keeps_the_sweep_back(autojump_clock: trio.testing.MockClock) -> None:
    limited = budget(limit=26)
    for _ in range(10):
        await limited.pay(CALL)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(limited.pay, CALL)
        await trio.testing.wait_all_tasks_blocked()
        assert limited.governor.live_waiting == 1
        assert limited.sweep_secs() > 0
    assert limited.governor.live_waiting == 0


async def test_waiting_for_the_budget_is_waiting_for_others(autojump_clock: trio.testing.MockClock) -> None:
    limited, efforts = budget(limit=1), Efforts()
    await limited.pay(CALL)

    async def work() -> None:
        account_to(efforts)
        with effort():
            await limited.pay(CALL)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(work)
        await trio.testing.wait_all_tasks_blocked()
        assert efforts.oldest_beat() == float("inf")


async def test_who_spends_is_the_actor_by_its_kind_and_so_are_its_tasks() -> None:
    counted = budget()
    seen: list[tuple[str, str, int]] = []
    counted.on_spend = lambda *what: seen.append(what)

    async def actor(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(counted.pay, ["eth_getLogs", "eth_made_up"])
            nursery.start_soon(counted.pay, ["eth_call"])

    supervisor = Supervisor([ChildSpec("subscriber:town", actor, restart="transient")], SupervisorConfig())
    await supervisor.run()
    assert sorted(seen) == [("subscriber", "eth_call", 26), ("subscriber", "eth_getLogs", 10), ("subscriber", "other", 10)]


async def test_a_notification_is_counted_and_waits_for_nobody() -> None:
    limited = budget(limit=1)
    for _ in range(100):
        limited.note("eth_subscription")
    assert limited.governor.window_units == 1000


async def test_what_is_shown_of_it_is_json_and_says_why_the_sweep_waits(autojump_clock: trio.testing.MockClock) -> None:
    limited = budget(limit=300, cap=1_000_000)
    assert limited.facts()["sweep_waits_for"] == "month"
    limited.governor.booked(MonthSpent(3000, 0, DAY, 29 * DAY))
    spend_as("batcher")
    for _ in range(100):
        await limited.pay(CALL)
    limited.refused(3.0)
    shown = limited.facts()
    assert (shown["name"], shown["prices"], shown["throttled"]) == ("town", "mine", 1)
    assert (shown["window_units"], shown["month_units"], shown["month_cap"]) == (2600, 5600, 1_000_000)
    assert shown["sweep_waits_for"] == "window"
    assert shown["units_per_sec"] == shown["learned_units_per_sec"] == 182


async def test_who_is_patient_takes_what_the_sweep_would_and_gives_way_to_live_calls(autojump_clock: trio.testing.MockClock) -> None:
    limited, paid, live = budget(limit=26), 0, list[float]()

    async def ask_on() -> None:
        nonlocal paid
        with spending(Spender("backfill", live=False, patient=True)):
            while True:
                await limited.pay(CALL)
                paid += 1

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(ask_on)
        await trio.sleep(100)
        assert paid == pytest.approx(0.8 * 100, rel=0.15)
        for _ in range(10):
            began = trio.current_time()
            await limited.pay(CALL)
            live.append(trio.current_time() - began)
            await trio.sleep(10)
        assert max(live) < 1
        nursery.cancel_scope.cancel()
    assert {who for who, _ in limited.tally.unsaved()} == {"backfill", "other"}


async def test_who_is_patient_and_without_a_limit_does_not_wait() -> None:
    free = budget()
    with spending(Spender("backfill", live=False, patient=True)), trio.testing.assert_no_checkpoints():
        await free.pay(CALL)


async def test_who_is_last_takes_what_the_sweep_leaves_of_the_window(autojump_clock: trio.testing.MockClock) -> None:
    """While the sweep fills its share, nothing; afterwards as much as there is below that."""
    limited, spent = budget(limit=26), list[tuple[str, float]]()

    async def spends(who: Spender, until: float) -> None:
        with spending(who):
            while trio.current_time() < until:
                await limited.pay(CALL)
                spent.append((who.actor, trio.current_time()))

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(spends, Spender("backfill", live=False, patient=True), began + 100)
        await trio.sleep(1)
        nursery.start_soon(spends, Spender("audit", live=False, patient=True, last=True), began + 200)
    by_audit = [at - began for who, at in spent if who == "audit"]
    assert not [at for at in by_audit if at < 100]
    assert 60 < len(by_audit) <= 70
