"""Each limit that is reported equals the limit that was set, in the words of several providers, for three values of each."""

from __future__ import annotations

import pytest

from actors.doctor.node import gas, logs, requests, state
from actors.doctor.node.probe import Probe
from actors.doctor.node.search import Found
from tests.doctor.conftest import LOGS
from tests.proxy import Fault, Proxy
from tests.proxy_faults import BodyCap, CutsPage, LogCap, Refuse
from tests.proxy_limits import BatchCap, GasCap, Pruned

MOST_CALLS = 40

RANGES = {
    "geth": (-32602, "exceed maximum block range: {most}"),
    "alchemy": (-32600, "You can make eth_getLogs requests with up to a {most} block range. Based on your parameters, this block range should work: [{first}, {last}]"),
    "quicknode": (-32614, "eth_getLogs is limited to a {most} range"),
    "unworded": (-32000, "no"),
    "one less": (-32000, "block range must be less than {start}"),
}
RESULTS = {
    "infura": (-32005, "query returned more than {most} results. Try with this block range [{first}, {last}]."),
    "reth": (-32602, "query exceeds max results {most}, retry with the range {start}-{end}"),
    "unworded": (-32000, "no"),
}
PRUNED = {
    "geth": (-32000, "missing trie node 41c2fbb5 (path ) state 0x41c2fbb5 is not available, not found"),
    "erigon": (-32000, "state at block 3 is pruned, history is available from block 200"),
    "nethermind": (-32002, "No state available for block 0x41c2fbb5"),
    "paid": (-32000, "Archive requests require an upgrade of your plan"),
}
GAS = {
    "geth": "",
    "refused": "gas limit {asked} too high, the maximum is {most}",
    "unworded": "call rejected",
}


def exact(found: Found | None, limit: int) -> None:
    assert found is not None
    assert found.limit == limit, found
    assert found.calls <= MOST_CALLS


@pytest.mark.parametrize("most", [5, 100, 333])
@pytest.mark.parametrize("words", RANGES)
async def test_log_range(limited: Proxy, probe: Probe, words: str, most: int) -> None:
    code, message = RANGES[words]
    with limited.fault(LogCap(most, code=code, message=message)):
        exact(await logs.log_blocks(probe), most)


@pytest.mark.parametrize("most", [100, 777, 2500])
@pytest.mark.parametrize("words", RESULTS)
async def test_log_results(limited: Proxy, probe: Probe, words: str, most: int) -> None:
    code, message = RESULTS[words]
    with limited.fault(LogCap(most, "results", code, message)):
        exact(await logs.log_results(probe, 1000), most)
    assert not probe.found.logs_cut


@pytest.mark.parametrize("most", [600, 1234, 2800])
async def test_logs_that_are_left_out_without_an_error(limited: Proxy, probe: Probe, most: int) -> None:
    with limited.fault(CutsPage(most)):
        exact(await logs.log_results(probe, 1000), most)
    assert probe.found.logs_cut


@pytest.mark.parametrize("most", [7, 128, 250])
@pytest.mark.parametrize("words", PRUNED)
async def test_state_window(limited: Proxy, probe: Probe, words: str, most: int) -> None:
    with limited.fault(Pruned(most, *PRUNED[words])):
        exact(await state.state_blocks(probe), most)
    assert not probe.found.archive
    assert not probe.found.state_empty


@pytest.mark.parametrize("most", [7, 33, 90])
async def test_a_state_window_beyond_which_everything_is_answered_as_empty(limited: Proxy, probe: Probe, most: int) -> None:
    """Wherever a block has a transaction to tell it by, as these have."""
    with limited.fault(Pruned(most, empty=True)):
        exact(await state.state_blocks(probe), most)
    assert probe.found.state_empty


@pytest.mark.parametrize("most", [12_345_678, 50_000_000, 550_000_000])
@pytest.mark.parametrize("words", GAS)
async def test_gas(limited: Proxy, probe: Probe, words: str, most: int) -> None:
    with limited.fault(GasCap(most, message=GAS[words])):
        await gas.call_gas(probe)
    exact(probe.found.call_gas, most)
    assert probe.found.gas_style == (gas.REFUSED if GAS[words] else gas.SILENT)
    assert probe.found.default_gas == most


@pytest.mark.parametrize("most", [50_001, 2**20, 1_234_567])
async def test_body(limited: Proxy, probe: Probe, most: int) -> None:
    with limited.fault(BodyCap(most)):
        exact(await requests.body_bytes(probe), most)


@pytest.mark.parametrize("most", [10, 57, 100])
@pytest.mark.parametrize("style", ["geth", "erigon", "missing"])
async def test_batch(limited: Proxy, probe: Probe, style: str, most: int) -> None:
    with limited.fault(BatchCap(most, style)):
        exact(await requests.batch_items(probe), most)


async def test_where_there_are_no_limits_none_is_reported_and_how_far_it_looked_is_said(probe: Probe) -> None:
    found = await logs.log_blocks(probe)
    assert (found.limit, found.accepted) == (None, probe.settled + 1)
    results = await logs.log_results(probe, 10_000)
    assert (results.limit, results.refused) == (None, None)
    assert LOGS <= results.accepted < LOGS + 100
    assert (await requests.batch_items(probe)).accepted == requests.MOST_BATCH
    await gas.call_gas(probe)
    assert (probe.found.gas_style, probe.found.default_gas) == (gas.NONE, 30_000_000)
    probe.found.state_blocks = await state.state_blocks(probe)
    assert probe.found.archive


@pytest.mark.parametrize("limit", [LogCap(50), Pruned(50), BatchCap(50)], ids=["range", "state", "batch"])
async def test_a_node_that_fails_at_everything_has_no_limit_reported(limited: Proxy, probe: Probe, limit: Fault) -> None:
    """An error that has nothing to do with the size, at whatever is asked."""
    with limited.fault(limit), limited.fault(Refuse(-32603, "internal error")):
        limited.faults.reverse()
        for found in (await logs.log_blocks(probe), await state.state_blocks(probe), await requests.batch_items(probe)):
            assert found.limit is None
            assert "internal error" in found.stopped
            assert found.calls <= 3
