"""What nodes fail by is counted where it is held against them, once."""

from __future__ import annotations

from typing import Any

from prometheus_client import Counter

from actors.sandbox.town import Town
from tests.proxy import Proxy
from tests.proxy_faults import Refuse
from tests.proxy_world import MODES, Behind, following, still_true
from tests.world import Mode, eventually


def counted(counter: Counter, **labels: Any) -> float:
    """The sum over all series that have these labels."""
    samples = (sample for family in counter.collect() for sample in family.samples)
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def refusals(errors: Counter, **labels: Any) -> float:
    """But for what a sound node does while it mines: it answers a read from another block than it was asked for."""
    return counted(errors, kind="Permanent", **labels)


@MODES
async def test_a_closing_whose_logs_are_refused_is_counted_once_by_asset_and_by_endpoint(
    behind: Behind, town: Town, proxy: Proxy, mode: Mode
) -> None:
    world = behind(proxy, **mode)
    async with following(world) as system:
        failed, errors = system.metrics.closings_failed, system.metrics.node_errors
        before = refusals(errors) - counted(failed)
        with proxy.fault(Refuse(methods=["eth_getLogs"], code=-32601, message="the method is not available")):
            town.transfer(town.wallets[0], town.wallets[1], 5)
            await eventually(lambda: counted(failed, asset="TOWN") >= 3, "closings that fail")
        await still_true(world)
        assert refusals(errors, chain="town") - counted(failed) == before
