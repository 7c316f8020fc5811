"""The whole of one endpoint, measured in two parts: where it stands, which those of a chain are asked at one time, and all the rest.

What fails is put down and the next is measured; an endpoint that answers nothing is left at once.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from actors.config import AssetConfig
from actors.config.keys import MULTICALL3
from actors.doctor.node import gas, logs, requests, state
from actors.doctor.node.measured import BY_ARBSYS, BY_HASH, BY_NUMBER, ONLY_PINS
from actors.doctor.node.probe import Probe
from actors.doctor.node.search import Found
from actors.errors import NodeError, WrongChain
from actors.evm.block import Pin
from actors.evm.keccak import keccak

TIMED_BLOCKS = 100
HOLDERS = 100  # enough to tell a wallet's gas


async def stands(probe: Probe) -> None:
    """Chain id and head; an error ends it."""
    probe.show("head")
    try:
        probe.found.chain_id = await probe.endpoint.chain_id()
        await probe.endpoint.check_chain()
        head = await probe.endpoint.header("latest")
        if head is None:
            probe.found.error = "has no head"
            return
        probe.found.head, probe.found.head_age_secs = head.number, round(max(0.0, time.time() - head.timestamp), 1)
        older = await probe.endpoint.header(max(0, head.number - TIMED_BLOCKS))
    except WrongChain as error:
        probe.found.error = str(error)
    except NodeError as error:
        probe.found.error = str(error)
    else:
        if older is not None and older.number < head.number:
            probe.found.block_secs = round((head.timestamp - older.timestamp) / (head.number - older.number), 3)
    probe.spent()


async def serves(probe: Probe) -> None:
    """What it serves: rungs, pins, Multicall3, and what attests a block."""
    probe.show("rungs")
    found, endpoint = probe.found, probe.endpoint
    try:
        await probe.reader.probe(endpoint)
    except NodeError as error:
        found.error = str(error)
    else:
        found.rungs, found.hash_pins = endpoint.rungs, endpoint.hash_pins
        found.state_override, found.multicall3 = "packed" in endpoint.rungs, "multicall3" in endpoint.rungs
        by_number = BY_ARBSYS if endpoint.number_from_arbsys else BY_NUMBER
        by_number = ONLY_PINS if endpoint.rungs == ("single",) else by_number
        found.attested_by = f"{BY_HASH}, and {by_number}" if endpoint.hash_pins and by_number != ONLY_PINS else by_number
        for aside in (_client, _syncing, _multicall3):
            await _maybe(probe, partial(aside, probe))
    probe.spent()


async def _client(probe: Probe) -> None:
    said = await probe.endpoint.call("web3_clientVersion", [])
    probe.found.client = said[:100] if isinstance(said, str) else None


async def _syncing(probe: Probe) -> None:
    probe.found.syncing = bool(await probe.endpoint.call("eth_syncing", []))


async def _multicall3(probe: Probe) -> None:
    """Whether it is where it usually is, and the config says another place."""
    if not probe.found.multicall3 and probe.chain.multicall3 != MULTICALL3:
        probe.found.multicall3_elsewhere = await probe.endpoint.call("eth_getCode", ["0x" + MULTICALL3.hex(), "latest"]) != "0x"


async def limits(probe: Probe, assets: Sequence[AssetConfig]) -> None:
    """All the limits, by searches."""
    found = probe.found
    try:
        found.state_blocks = await state.state_blocks(probe)
        found.log_blocks = await logs.log_blocks(probe)
        most_blocks = _known(found.log_blocks)
        found.log_results = await logs.log_results(probe, most_blocks)
        found.events_per_block = await logs.events_per_block(probe, assets, most_blocks)
        await _gas(probe)
        for asset in assets:
            await _maybe(probe, partial(_holder_gas, probe, asset))
        found.body_bytes = await requests.body_bytes(probe)
        found.batch_items = await requests.batch_items(probe)
        if not probe.over:
            found.in_flight = await requests.in_flight(probe)
    finally:
        probe.spent()


async def _gas(probe: Probe) -> None:
    try:
        await gas.call_gas(probe)
    except NodeError as error:
        probe.found.call_gas = Found(0, None, 0, stopped=str(error))


def _known(found: Found) -> int:
    return max(1, found.accepted)


async def _maybe(probe: Probe, measure: Callable[[], Awaitable[object]]) -> None:
    """One measure that may fail for itself."""
    if probe.over:
        return
    try:
        await measure()
    except NodeError:
        pass


async def _holder_gas(probe: Probe, asset: AssetConfig) -> None:
    """What a wallet of the asset takes: of accounts that nobody has, which are as cold as they come."""
    probe.show("gas of a wallet")
    header = await probe.endpoint.header(probe.settled)
    if header is None:
        return
    wallets = [keccak(b"trueup doctor" + number.to_bytes(4, "big"))[12:] for number in range(HOLDERS)]
    plan = [(asset.sources, wallet) for wallet in wallets]
    answer = await probe.reader.read(probe.endpoint, Pin(header.number, header.hash, header), plan)
    if answer.gas is not None and (each := max(1, answer.gas.used // HOLDERS)) > (probe.found.holder_gas or 0):
        probe.found.holder_gas, probe.found.holder_gas_of = each, asset.name
