"""What providers really do, through the real system: nothing wrong is written, and when the fault is over, nothing is missing."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.errors import ConfigError
from actors.evm.keccak import keccak
from actors.hand import Hand
from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town, arg, selector
from actors.system import System
from tests.proxy import Call, Fault, Proxy, open_proxy
from tests.proxy_faults import (
    BodyCap,
    CutsPage,
    Disorder,
    HalfJson,
    HangUp,
    Hold,
    HtmlPage,
    IgnoresHash,
    IgnoresTag,
    Lag,
    LogCap,
    Mute,
    OtherChain,
    OtherId,
    OtherNode,
    Refuse,
    Removals,
    Repeat,
    ResponseCap,
    Split,
    SubCallCap,
    Tally,
    Throttle,
    Vanish,
    Withholds,
)
from tests.proxy_world import BY_NAME, LOGS, MODES, POLLING, SOCKETS, busy, followed, never_lying, twin_of, world_behind
from tests.world import World, eventually, running


def struck(fault: Fault, times: int = 1) -> Callable[[], bool]:
    return lambda: fault.struck >= times


def reads(town: Town, call: Call) -> bool:
    """Whether it is a call that reads wallets, not one that asks about blocks."""
    return call.method == "eth_call" and town.token[2:].lower() in str(call.params)


def tally(proxy: Proxy, town: Town) -> Tally:
    """Count the reads of wallets from now on."""
    proxy.add(counted := Tally(partial(reads, town)))
    return counted


def is_read(proxy: Proxy, town: Town) -> Callable[[], bool]:
    """Whether wallets were read from it since."""
    return struck(tally(proxy, town))


async def comes_back(proxy: Proxy, world: World) -> None:
    """New traffic is read from it again, sooner or later."""
    await eventually(busily(world, is_read(proxy, world.town)), "a read from the endpoint that had failed")


def busily(world: World, state: Callable[[], bool]) -> Callable[[], bool]:
    """The state, while there is new traffic whenever the last is closed."""

    def found() -> bool:
        if (world.marks() or (0,))[0] >= world.town.block():
            busy(world.town, 2)
        return state()

    return found


def in_turn(faults: dict[str, Callable[[], Fault]]) -> pytest.MarkDecorator:
    """Each fault in one mode of following: they take turns."""
    pairs = list(zip(faults.items(), itertools.cycle(BY_NAME.items())))
    return pytest.mark.parametrize(
        ("make", "mode"), [(f, m) for (_, f), (_, m) in pairs], ids=[f"{f}, {m}" for (f, _), (m, _) in pairs]
    )


async def still_true(world: World) -> None:
    await eventually(world.is_true, "true rows")


# --- Failover and return


BROKEN: dict[str, Callable[[], Fault]] = {
    "hangs up": HangUp,
    "429": Throttle,
    "429 with Retry-After": lambda: Throttle("1"),
    "-32005 in a 200": Refuse,
    "an HTML page": HtmlPage,
    "503": lambda: HtmlPage(503),
    "half a JSON": HalfJson,
    "another id": OtherId,
    "header not found": lambda: Refuse(-32000, "header not found", methods=("eth_call",)),
}


@in_turn(BROKEN)
async def test_an_endpoint_that_fails_is_left_and_come_back_to(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, make: Callable[[], Fault], mode: dict[str, Any]
) -> None:
    async with open_proxy(anvil) as first, open_proxy(anvil) as second:
        world = world_behind(tmp_path, database_url, town, first, second, **mode)
        async with running(world, sweep=False), never_lying(world):
            await followed(world)
            by_second = tally(second, town)
            busy(town)
            await still_true(world)
            assert by_second.struck == 0
            with first.fault(make()) as fault:
                busy(town)
                await eventually(struck(fault), "the fault")
                await eventually(struck(by_second), "a read from the second endpoint")
                await still_true(world)
            await comes_back(first, world)
            await still_true(world)


@pytest.mark.long
@in_turn(BROKEN)
async def test_the_only_endpoint_may_fail_and_recover(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, make: Callable[[], Fault], mode: dict[str, Any]
) -> None:
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **mode)
        async with running(world, sweep=False), never_lying(world):
            await followed(world)
            with proxy.fault(make()) as fault:
                busy(town)
                await eventually(struck(fault, 2), "the fault")
            await still_true(world)


@MODES
async def test_an_endpoint_that_lags_is_left_while_it_does(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    async with open_proxy(anvil) as first, open_proxy(anvil) as second:
        world = world_behind(tmp_path, database_url, town, first, second, **mode)
        async with running(world, sweep=False), never_lying(world):
            await followed(world)
            with first.fault(Lag(3)) as fault:
                busy(town)
                await eventually(struck(fault), "the lag")
                await still_true(world)
            await comes_back(first, world)
            await still_true(world)


# --- Silence is noticed


@SOCKETS
async def test_a_socket_that_answers_pings_and_says_nothing_is_replaced(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **mode)
        async with running(world, sweep=False) as system, never_lying(world):
            await followed(world)
            await eventually(lambda: system.view.chains["town"].connected, "a session")
            with proxy.fault(Mute()) as fault:
                busy(town)
                await eventually(struck(fault), "silence")
                await eventually(lambda: proxy.connections == 2, "another socket")
            busy(town)
            await still_true(world)


# --- Withheld logs


def withheld(system: System) -> float:
    return float(system.metrics.logs_withheld.labels("town")._value.get())


@MODES
async def test_logs_that_were_withheld_once_are_found_by_the_second_asking_and_counted(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **mode)
        async with running(world, sweep=False) as system, never_lying(world):
            await followed(world)
            with proxy.fault(Withholds(pushes=True, times=1)) as fault:
                town.transfer(town.wallets[0], town.wallets[1], 5)
                town.mine()
                await eventually(struck(fault), "a log left out")
                await still_true(world)
                await eventually(lambda: withheld(system) > 0, "the count of withheld logs")


# --- Endpoints that answer from elsewhere


@MODES
async def test_a_replica_on_the_orphaned_branch_is_left_and_not_believed(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    with twin_of(anvil, town) as (other, lost):
        busy(lost, 2)
        async with open_proxy(anvil, other) as first, open_proxy(anvil) as second:
            world = world_behind(tmp_path, database_url, town, first, second, **mode)
            async with running(world, sweep=False) as system, never_lying(world):
                await followed(world)
                busy(town, 12)
                await still_true(world)
                with first.fault(OtherNode()) as fault:
                    busy(town)
                    await eventually(struck(fault), "a question to the replica")
                    await still_true(world)
                    await eventually(lambda: on_another_branch(system), "the replica found out")
                assert system.view.chains["town"].branch == 0
                await comes_back(first, world)
                await still_true(world)


def on_another_branch(system: System) -> bool:
    return system.chains["town"].pool.endpoints[0].last_error is not None


@MODES
async def test_a_replica_on_another_branch_of_the_same_height_makes_no_reorg(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    with twin_of(anvil, town) as (other, lost):
        busy(lost, 2)
        async with open_proxy(anvil) as first, open_proxy(anvil, other) as second:
            world = world_behind(tmp_path, database_url, town, first, second, **mode)
            async with running(world, sweep=False) as system, never_lying(world):
                await followed(world)
                busy(town, 12)
                mine(town, 2)
                await still_true(world)
                mine(lost, town.block() - lost.block())
                with second.fault(OtherNode()) as fault:
                    endpoint = system.chains["town"].pool.endpoints[1]
                    await eventually(lambda: "another branch" in (endpoint.last_error or ""), "the replica found out")
                    busy(town)
                    await still_true(world)
                    assert fault.struck
                assert system.view.chains["town"].branch == 0


@MODES
async def test_a_balancer_that_splits_batches_over_a_stale_replica_costs_no_truth(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    with twin_of(anvil, town) as (stale, _):
        async with open_proxy(anvil, stale) as proxy:
            world = world_behind(tmp_path, database_url, town, proxy, **mode)
            async with running(world, sweep=False) as system, never_lying(world):
                await followed(world)
                with proxy.fault(Split()) as fault:
                    busy(town)
                    await eventually(struck(fault, 4), "questions to the replica")
                await still_true(world)
                assert system.view.chains["town"].branch == 0


@pytest.mark.long
async def test_a_balancer_that_splits_batches_over_two_branches_is_outlived(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town
) -> None:
    """With nobody else to ask, whatever such a balancer says is a reorg to and fro; the last word counts."""
    with twin_of(anvil, town) as (other, lost):
        busy(lost, 12)
        async with open_proxy(anvil, other) as proxy:
            world = world_behind(tmp_path, database_url, town, proxy, **POLLING)
            async with running(world, sweep=False):
                await followed(world)
                with proxy.fault(Split()) as fault:
                    busy(town, 12)
                    await eventually(struck(fault, 4), "questions to the other branch")
                busy(town, 12)
                await eventually(lambda: all_true(world), "true balances")
                await still_true(world)


IGNORED: dict[str, type[IgnoresTag]] = {"the tag": IgnoresTag, "the hash": IgnoresHash}


@MODES
@pytest.mark.parametrize("make", list(IGNORED.values()), ids=list(IGNORED))
async def test_a_node_that_ignores_the_block_it_is_asked_for_is_never_believed(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any], make: type[IgnoresTag]
) -> None:
    async with open_proxy(anvil) as first, open_proxy(anvil) as second:
        world = world_behind(tmp_path, database_url, town, first, second, **mode)
        a_read = partial(reads, town)
        async with running(world, sweep=False):
            await followed(world)
            town.transfer(town.wallets[2], town.wallets[3], 5)
            town.mine()
            await still_true(world)
            # The chain moves on under a read's pin, so that the latest block's answer is another one. Only reads are lied to: a question
            # about blocks that found the lie first would leave the first endpoint before it is asked for a read.
            with first.fault(Hold(a_read)) as hold, first.fault(make(wanted=a_read)) as fault:
                async with never_lying(world, strict=True):
                    town.transfer(town.wallets[0], town.wallets[1], 5)
                    town.mine()
                    await eventually(lambda: len(hold.held) > 0, "a read")
                    town.transfer(town.wallets[0], town.wallets[1], 5)
                    town.mine()
                    by_second = tally(second, town)
                    hold.let_go()
                    await eventually(struck(fault), "the fault")
                    await eventually(struck(by_second), "a read from the second endpoint")
                    await still_true(world)
            await comes_back(first, world)
            await still_true(world)


@MODES
async def test_a_node_that_takes_a_hash_pin_and_ignores_it_is_read_by_number(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **mode)
        with proxy.fault(IgnoresHash()) as fault:
            async with running(world, sweep=False) as system, never_lying(world):
                await followed(world)
                busy(town)
                await still_true(world)
                assert fault.struck
                assert system.chains["town"].pool.endpoints[0].hash_pins is False


async def test_an_endpoint_on_another_chain_is_left_out(tmp_path: Path, database_url: str, anvil: Anvil, town: Town) -> None:
    with Anvil(options=["--chain-id", "99"]) as far:
        async with open_proxy(far) as wrong, open_proxy(anvil) as right:
            world = world_behind(tmp_path, database_url, town, right, wrong, **POLLING)
            swapped = f'"{right.http}", "{wrong.http}"', f'"{wrong.http}", "{right.http}"'
            world.path.write_text(world.path.read_text().replace(*swapped))
            world.reload()
            async with running(world, sweep=False):
                await followed(world)
                busy(town)
                await still_true(world)
            assert set(wrong.asked) == {"eth_chainId"}


async def test_endpoints_that_are_all_on_another_chain_are_the_operators_error(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town
) -> None:
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **POLLING)
        with proxy.fault(OtherChain()), pytest.raises(ConfigError, match="chain town: chain_id"):
            async with running(world):
                pass
        assert world.marks() is None


@MODES
async def test_an_endpoint_that_moves_to_another_chain_while_it_is_used_writes_nothing(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    with Anvil(options=["--chain-id", "99"]) as far:
        Town(far, wallets=20, seed=5)
        async with open_proxy(anvil, far) as first, open_proxy(anvil) as second:
            world = world_behind(tmp_path, database_url, town, first, second, **mode)
            async with running(world, sweep=False), never_lying(world):
                await followed(world)
                busy(town)
                await still_true(world)
                with first.fault(OtherNode()) as fault:
                    busy(town)
                    await eventually(struck(fault), "a question to the other chain")
                    await still_true(world)


# --- Sockets


NOISE: dict[str, Callable[[], Fault]] = {
    "vanish": Vanish,
    "vanish by turns": lambda: Vanish(2),
    "repeat": Repeat,
    "disorder": Disorder,
}


@SOCKETS
@pytest.mark.parametrize("make", list(NOISE.values()), ids=list(NOISE))
async def test_notifications_may_vanish_repeat_and_come_out_of_order(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any], make: Callable[[], Fault]
) -> None:
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **mode)
        async with running(world, sweep=False) as system, never_lying(world):
            await followed(world)
            await connected(system)
            with proxy.fault(make()) as fault:
                busy(town, 12)
                await eventually(struck(fault), "the fault")
                await still_true(world)
            assert not any(child.restarts for child in system.supervisor.children.values())


@SOCKETS
async def test_a_socket_that_is_cut_in_the_middle_of_a_message_is_opened_anew(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **mode)
        async with running(world, sweep=False) as system, never_lying(world):
            await followed(world)
            await connected(system)
            busy(town)
            await proxy.cut()
            busy(town)
            await eventually(lambda: proxy.connections == 2, "another socket")
            await still_true(world)
            assert not any(child.restarts for child in system.supervisor.children.values())


async def connected(system: System) -> None:
    await eventually(lambda: system.view.chains["town"].connected, "a session")


# --- Logs


@MODES
async def test_who_withheld_logs_is_left_and_the_next_endpoint_finds_them(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    async with open_proxy(anvil) as first, open_proxy(anvil) as second:
        world = world_behind(tmp_path, database_url, town, first, second, **mode)
        async with running(world, sweep=False) as system, never_lying(world):
            await followed(world)
            with first.fault(Withholds(pushes=True)) as fault:
                await eventually(busily(world, lambda: fault.struck > 0 and withheld(system) > 0), "withheld logs")
                await still_true(world)
                errors = system.chains["town"].pool.endpoints
                for _ in range(4):  # whoever was asked first, the second asking must be of the other one
                    busy(town)
                    await still_true(world)
                await eventually(
                    busily(world, lambda: errors[0].last_error == "withheld logs" and errors[1].last_error is None),
                    "who withheld is left",
                )
            await still_true(world)


@SOCKETS
async def test_a_log_that_an_answer_omits_is_read_by_its_push(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **mode)
        async with running(world, sweep=False) as system, never_lying(world):
            await followed(world)
            await connected(system)
            with proxy.fault(Withholds(times=1)) as fault:
                town.transfer(town.wallets[0], town.wallets[1], 5)
                town.mine()
                await eventually(struck(fault), "a log left out")
                await still_true(world)


@MODES
async def test_no_logs_of_blocks_that_a_node_does_not_have_are_not_believed(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    async with open_proxy(anvil) as first, open_proxy(anvil) as second:
        world = world_behind(tmp_path, database_url, town, first, second, **mode)
        async with running(world, sweep=False), never_lying(world):
            await followed(world)
            with first.fault(Lag(3, methods=("eth_getLogs",))) as fault:
                busy(town)
                await eventually(struck(fault), "an answer of []")
                await still_true(world)


@MODES
async def test_a_page_that_is_silently_cut_is_completed_by_the_next_endpoint(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    async with open_proxy(anvil) as first, open_proxy(anvil) as second:
        world = world_behind(tmp_path, database_url, town, first, second, **mode)
        async with running(world, sweep=False):
            await followed(world)
        steps(town, 12)
        with first.fault(CutsPage(3)) as fault:
            async with running(world, sweep=False), never_lying(world):
                await eventually(struck(fault), "a cut page")
                await still_true(world)


# The caps are made small; the words are theirs.
WORDINGS: dict[str, Callable[[], Fault]] = {
    "Alchemy, free": lambda: LogCap(
        code=-32600,
        message="Under the Free tier plan, you can make eth_getLogs requests with up to a {most} block range. Based on your parameters, "
        "this block range should work: [{first}, {last}]. Upgrade to PAYG for expanded block range.",
    ),
    "Alchemy, size": lambda: LogCap(
        4,
        "results",
        -32602,
        "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the response size, or "
        "you can request any block range with a cap of 10K logs in the response. Based on your parameters and the response size limit, "
        "this block range should work: [{first}, {last}]",
    ),
    "Infura": lambda: LogCap(
        4, "results", -32005, "query returned more than {most} results. Try with this block range [{first}, {last}]."
    ),
    "QuickNode": lambda: LogCap(code=-32614, message="eth_getLogs is limited to a {most} range"),
    "QuickNode, blocks": lambda: LogCap(
        code=-32602, message="eth_getLogs and eth_newFilter are limited to a {most} blocks range"
    ),
    "geth": lambda: LogCap(code=-32000, message="exceed maximum block range: {most}"),
    "publicnode": lambda: LogCap(code=-32701, message="exceed maximum block range: {most}"),
    "erigon": lambda: LogCap(code=-32602, message="query block range exceeds server limit, narrow your filter: {most}"),
    "erigon, results": lambda: LogCap(
        4, "results", -32602, "query exceeds max results {most}, retry with the range {start}-{end}"
    ),
    "reth": lambda: LogCap(code=-32602, message="query exceeds max block range {most}"),
    "nethermind": lambda: LogCap(4, "results", -32005, "Too many logs requested. Max logs per response is {most}."),
    "Cloudflare": lambda: LogCap(
        code=-32047, message="Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: {most}"
    ),
    "Chainstack": lambda: LogCap(code=-32005, message="Block range limit exceeded."),
    "Base": lambda: LogCap(4, "results", -32020, "backend response too large"),
}


@in_turn(WORDINGS)
async def test_a_gap_is_closed_whatever_words_a_cap_is_told_in(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, make: Callable[[], Fault], mode: dict[str, Any]
) -> None:
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **mode)
        async with running(world, sweep=False):
            await followed(world)
        steps(town, 12)
        with proxy.fault(make()) as fault:
            async with running(world, sweep=False) as system, never_lying(world):
                await eventually(struck(fault), "a refusal")
                await still_true(world)
                assert system.chains["town"].pool.endpoints[0].last_error is None


def steps(town: Town, count: int) -> None:
    """So many transfers, a block or two for each."""
    for at in range(count):
        town.transfer(town.wallets[at % 20], town.wallets[(at + 1) % 20], 1 + at)
        town.mine()


@MODES
async def test_logs_of_another_layout_are_counted_and_skipped(
    tmp_path: Path, database_url: str, town: Town, mode: dict[str, Any]
) -> None:
    world = World(tmp_path, database_url, town, **mode)
    event = "Transfer(address indexed from, address indexed to, uint256 value)"
    trigger = f'triggers = [\n  {{ contract = "{town.weird}", event = "{event}", wallets = ["from", "to"] }},'
    world.path.write_text(world.path.read_text().replace("triggers = [", trigger))
    world.reload()
    async with running(world, sweep=False) as system, never_lying(world):
        await followed(world)
        busy(town)
        town.send(
            town.weird,
            selector("emitNft(address,address,uint256)") + arg(bytes(19) + b"\x07") + arg(bytes(19) + b"\x08") + arg(5),
        )
        busy(town)
        await still_true(world)
        skipped = system.metrics.logs_undecodable.labels("TOWN")
        await eventually(lambda: skipped._value.get() > 0, "the count of logs of another layout")
        assert not any(child.restarts for child in system.supervisor.children.values())
    assert set(world.rows()) <= {*town.wallets}


# --- Limits


LIMITS: dict[str, Callable[[], Fault]] = {
    "out of gas": SubCallCap,
    "gas cap": lambda: SubCallCap(30, -32000, "gas required exceeds allowance (50000000)"),
    "anvil's": lambda: SubCallCap(30, -32603, "EVM error OutOfGas"),
    "timeout": lambda: SubCallCap(30, -32000, "execution aborted (timeout = 5s)"),
    "sub-calls": lambda: SubCallCap(30, -32602, "too many results: max results is 30"),
    "413": lambda: BodyCap(6000),
    "response": lambda: ResponseCap(4000, methods=("eth_call",)),
}


@in_turn(LIMITS)
async def test_a_limit_makes_calls_smaller_and_nobody_set_aside(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, make: Callable[[], Fault], mode: dict[str, Any]
) -> None:
    async with open_proxy(anvil) as proxy:
        fault = make()
        if isinstance(fault, ResponseCap) and "reads" not in mode["chain"]:
            # A packed answer of so few wallets is no longer than the one of a single wallet.
            mode = {**mode, "chain": mode["chain"] + '\nreads = "multicall3"'}
        world = world_behind(tmp_path, database_url, town, proxy, interval=0.1, **mode)
        place(world, town.wallets)
        with proxy.fault(fault):
            async with running(world), never_lying(world):
                await followed(world)
                await eventually(lambda: all_read(world), "a whole sweep")
                busy(town, 12)
                await still_true(world)
                assert fault.struck
        assert world.query("SELECT * FROM trueup_set_aside") == []


def all_read(world: World) -> bool:
    return world.query("SELECT 1 FROM eth_wallet_balances WHERE read_block IS NULL") == []


# --- Reorgs


def all_true(world: World) -> bool:
    """Whether every row is what the chain says now."""
    rows = world.rows()
    return {wallet: balance for wallet, (balance, _) in rows.items()} == world.town.truths(list(rows), world.town.block())


async def healed(world: World) -> None:
    await eventually(lambda: all_true(world), "true balances on the other branch")
    await still_true(world)


def fork(anvil: Anvil, town: Town, snapshot: str) -> None:
    """Go back to the snapshot, and take another way from there."""
    anvil.rpc("evm_revert", snapshot)
    town.transfer(town.wallets[2], town.wallets[3], 7)
    town.mine()


def mine(town: Town, count: int) -> None:
    for _ in range(count):
        town.mine()


@MODES
async def test_a_reorg_to_a_longer_branch_heals(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    world = World(tmp_path, database_url, town, **mode)
    async with running(world, sweep=False) as system:
        await followed(world)
        before = anvil.rpc("evm_snapshot")
        busy(town, 4)
        await still_true(world)
        fork(anvil, town, before)
        mine(town, 8)
        await eventually(lambda: system.view.chains["town"].branch == 1, "the reorg seen")
        await healed(world)


@pytest.mark.long
@MODES
async def test_a_reorg_to_a_shorter_branch_heals_when_that_has_grown(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **mode)
        async with running(world, sweep=False) as system:
            await followed(world)
            before = anvil.rpc("evm_snapshot")
            busy(town, 10)
            mine(town, 3)
            await still_true(world)
            fork(anvil, town, before)
            seen = proxy.asked["eth_getBlockByNumber"]
            await eventually(lambda: proxy.asked["eth_getBlockByNumber"] > seen + 3, "some looks at the shorter branch")
            mine(town, 16)
            await eventually(lambda: system.view.chains["town"].branch >= 1, "the reorg seen")
            await healed(world)


async def test_logs_that_are_taken_back_heal(tmp_path: Path, database_url: str, anvil: Anvil, town: Town) -> None:
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **LOGS)
        with proxy.fault(Removals()) as removals:
            async with running(world, sweep=False) as system:
                await followed(world)
                await connected(system)
                before, at = anvil.rpc("evm_snapshot"), town.block()
                busy(town, 4)
                await still_true(world)
                fork(anvil, town, before)
                await removals.take_back(at)
                mine(town, 8)
                assert removals.struck
                await eventually(lambda: system.view.chains["town"].branch >= 1, "the reorg seen")
                await healed(world)


async def test_logs_that_are_taken_back_without_a_reorg_change_nothing(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town
) -> None:
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, **LOGS)
        with proxy.fault(Removals()) as removals:
            async with running(world, sweep=False) as system, never_lying(world):
                await followed(world)
                await connected(system)
                busy(town)
                await still_true(world)
                await removals.take_back(0)
                assert removals.struck
                busy(town)
                await still_true(world)
                assert system.view.chains["town"].branch == 0


@MODES
async def test_a_reorg_deeper_than_what_is_remembered_makes_every_row_true(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    before = anvil.rpc("evm_snapshot")
    mine(town, 5)
    world = World(tmp_path, database_url, town, **mode)
    async with running(world, sweep=False) as system:
        await followed(world)
        busy(town)
        await still_true(world)
        fork(anvil, town, before)
        mine(town, 25)
        await eventually(lambda: system.view.chains["town"].branch >= 1, "the reorg seen")
        await eventually(lambda: all_true(world), "true balances")
        busy(town)
        await eventually(lambda: all_true(world), "true balances")
        await eventually(lambda: (world.marks() or (0,))[0] >= town.block(), "the checkpoint at the head")


@MODES
async def test_a_reorg_while_the_process_is_down_heals(
    tmp_path: Path, database_url: str, anvil: Anvil, town: Town, mode: dict[str, Any]
) -> None:
    world = World(tmp_path, database_url, town, **mode)
    async with running(world, sweep=False):
        await followed(world)
        before = anvil.rpc("evm_snapshot")
        busy(town, 4)
        await still_true(world)
    fork(anvil, town, before)
    busy(town, 4)
    mine(town, 8)
    async with running(world, sweep=False):
        await healed(world)


# --- Set aside


def break_down(anvil: Anvil, town: Town, bad: list[bytes], burners: int) -> None:
    """Let these wallets' reads fail in every way that a contract can; so many of them by burning all gas, which is slow."""
    modes = [6] * burners + [1 + at % 5 for at in range(len(bad) - burners)]
    slots = ["0x" + keccak(bytes(12) + wallet + bytes(32)).hex() for wallet in bad]
    calls = [("anvil_setStorageAt", [town.weird, slot, "0x" + arg(mode)]) for slot, mode in zip(slots, modes, strict=True)]
    for at in range(0, len(calls), 500):
        anvil.batch(calls[at : at + 500])
    mine(town, 4)  # a sweep reads two behind the head


def with_weird(world: World) -> None:
    """One more source, which fails for some wallets and is 7 for the others."""
    weird = f'{{ contract = "{world.town.weird}", call = "balanceOf(address)" }},\n]\ntriggers'
    world.path.write_text(world.path.read_text().replace("]\ntriggers", weird))
    world.reload()


def place(world: World, wallets: list[bytes], day: str = "1970-01-01") -> None:
    """Rows that were never read."""
    names = ["0x" + wallet.hex() for wallet in wallets]
    world.query("INSERT INTO eth_wallet_balances (wallet, updated_at) SELECT unnest(%s::text[]), %s::timestamp", names, day)


@MODES
async def test_failing_wallets_at_the_head_of_the_queue_delay_live_touches_by_no_more_than_one_call(
    tmp_path: Path, database_url: str, anvil: Anvil, mode: dict[str, Any]
) -> None:
    town = Town(anvil, wallets=60)
    bad, good = town.wallets[:40], town.wallets[40:]
    break_down(anvil, town, bad, burners=2)
    chain = mode["chain"] + "\ncalls_in_flight = 1"
    async with open_proxy(anvil) as proxy:
        world = world_behind(tmp_path, database_url, town, proxy, interval=0.1, batch=40, **{**mode, "chain": chain})
        with_weird(world)
        place(world, bad)
        async with running(world) as system:
            hand = system.chains["town"].hand
            await followed(world)
            failing = 0
            with proxy.fault(Hold(partial(reads, town))) as hold:
                for source, target in zip(good[::2], good[1::2], strict=True):
                    await eventually(lambda: len(hold.held) == 1, "a call of the sweep")
                    failing += any(wallet.hex() in hold.held[0].params[0]["data"] for wallet in bad)
                    before = len(hand)
                    town.transfer(source, target, 5)
                    town.mine()
                    await eventually(partial(_is_longer, hand, before + 1), "a live touch")
                    hold.let_go()
                    await eventually(lambda: len(hold.held) == 1, "the next call")
                    assert target.hex() in hold.held[0].params[0]["data"]
                    hold.let_go()
            assert failing > 1


def _is_longer(hand: Hand, size: int) -> bool:
    return len(hand) >= size


TICK = re.compile(r"tick complete.* requested=(\d+) updated=(\d+)")


@pytest.mark.parametrize(
    ("wallets", "batch"),
    [(60, 20), pytest.param(2000, 100, marks=[pytest.mark.long, pytest.mark.timeout(300)])],
    ids=["60", "2000"],
)
async def test_failing_wallets_cost_the_sweep_so_many_ticks_once_and_none_after(
    tmp_path: Path, database_url: str, anvil: Anvil, caplog: pytest.LogCaptureFixture, wallets: int, batch: int
) -> None:
    town = Town(anvil, wallets=wallets + 60)
    bad, good = town.wallets[:wallets], town.wallets[wallets:]
    break_down(anvil, town, bad, burners=6)
    world = World(tmp_path, database_url, town, interval=0.1, batch=batch, **POLLING)
    with_weird(world)
    place(world, bad)
    place(world, good, "1970-01-02")
    with caplog.at_level("INFO"):
        async with running(world) as system:
            swept = partial(_swept, world, good)
            with trio.fail_after(240):
                while not await trio.to_thread.run_sync(swept):
                    await trio.sleep(0.1)
            assert len(world.query("SELECT 1 FROM trueup_set_aside")) == wallets
            ticks = system.view.assets["TOWN"].ticks
            await eventually(lambda: system.view.assets["TOWN"].ticks > ticks + 10, "ten more ticks")
    found = [tuple(map(int, match.groups())) for match in map(TICK.search, caplog.messages) if match]
    assert sum(updated < requested for requested, updated in found) == wallets // batch
    assert all(requested == updated for requested, updated in found[wallets // batch :])
    assert all(world.rows()[wallet][0] == 0 for wallet in bad)


def _swept(world: World, good: list[bytes]) -> bool:
    rows = world.rows()
    return all(rows[wallet][0] for wallet in good)
