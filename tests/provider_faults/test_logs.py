"""Logs that are withheld, cut, refused in some words or other, or of another layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from actors import health
from actors.sandbox.town import Town, arg, selector
from actors.system import System
from tests.postgres_world import says, true_and_ready
from tests.proxy import Answer, Ask, Call, Fault, Proxy
from tests.proxy_faults import CutsPage, Lag, LogCap, Refuse, Withholds
from tests.proxy_world import (
    LOGS,
    MODES,
    SOCKETS,
    Behind,
    busily,
    busy,
    connected,
    following,
    in_turn,
    never_lying,
    still_true,
    struck,
)
from tests.world import Mode, World, eventually, followed, running


def withheld(system: System) -> float:
    return float(system.metrics.logs_withheld.labels("town")._value.get())


@dataclass(eq=False)
class WithholdsOnce(Withholds):
    """Of each block, the first time that it is asked about; and from pushes always."""

    _asked: set[str] = field(default_factory=set, init=False)

    async def on_call(self, call: Call, ask: Ask) -> Answer:
        answer = await ask(call)
        if call.method != "eth_getLogs" or "result" not in answer:
            return answer
        new = {log["blockHash"] for log in answer["result"]} - self._asked
        self._asked |= new
        return {"result": [log for log in answer["result"] if log["blockHash"] not in new]}


@MODES
async def test_logs_that_were_withheld_once_are_found_by_the_second_asking_and_counted(
    behind: Behind, town: Town, proxy: Proxy, mode: Mode
) -> None:
    world = behind(proxy, **mode)
    async with following(world) as system:
        with proxy.fault(WithholdsOnce(pushes=True)):
            # An answer may be thrown away, where more than that one block turns out to be new; another one is not.
            await eventually(busily(world, lambda: withheld(system) > 0), "the count of withheld logs")
            await still_true(world)


@MODES
async def test_who_withheld_logs_is_left_and_the_next_endpoint_finds_them(
    behind: Behind, town: Town, first: Proxy, second: Proxy, mode: Mode
) -> None:
    world = behind(first, second, **mode)
    async with following(world) as system:
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
async def test_a_log_that_an_answer_omits_is_read_by_its_push(behind: Behind, town: Town, proxy: Proxy, mode: Mode) -> None:
    world = behind(proxy, **mode)
    async with following(world) as system:
        await connected(system)
        with proxy.fault(Withholds(times=1)) as fault:
            town.transfer(town.wallets[0], town.wallets[1], 5)
            town.mine()
            await eventually(struck(fault), "a log left out")
            await still_true(world)


@MODES
async def test_no_logs_of_blocks_that_a_node_does_not_have_are_not_believed(
    behind: Behind, town: Town, first: Proxy, second: Proxy, mode: Mode
) -> None:
    world = behind(first, second, **mode)
    async with following(world):
        with first.fault(Lag(3, methods=("eth_getLogs",))) as fault:
            busy(town)
            await eventually(struck(fault), "an answer of []")
            await still_true(world)


@MODES
async def test_a_page_that_is_silently_cut_is_completed_by_the_next_endpoint(
    behind: Behind, town: Town, first: Proxy, second: Proxy, mode: Mode
) -> None:
    world = behind(first, second, **mode)
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
    behind: Behind, town: Town, proxy: Proxy, make: Callable[[], Fault], mode: Mode
) -> None:
    world = behind(proxy, **mode)
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
async def test_logs_of_another_layout_are_counted_and_skipped(tmp_path: Path, database_url: str, town: Town, mode: Mode) -> None:
    world = World(tmp_path, database_url, town, **mode)
    event = "Transfer(address indexed from, address indexed to, uint256 value)"
    trigger = f'triggers = [\n  {{ contract = "{town.weird}", event = "{event}", wallets = ["from", "to"] }},'
    world.path.write_text(world.path.read_text().replace("triggers = [", trigger))
    world.reload()
    async with following(world) as system:
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


async def test_logs_that_are_refused_for_good_after_a_restart_are_no_readiness(
    behind: Behind, town: Town, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "LATE_AT_LEAST_SECS", 0.5)
    world = behind(proxy, **LOGS)
    async with following(world):
        pass
    refusal = Refuse(methods=["eth_getLogs"], code=-32601, message="the method eth_getLogs does not exist")
    with proxy.fault(refusal):
        busy(town)  # something is to be closed
        async with running(world) as system:
            await says(system, "asset TOWN has not closed for", "eth_getLogs does not exist")
    async with running(world) as system:
        await true_and_ready(world, system)
