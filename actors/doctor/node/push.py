"""Whether a WebSocket pushes: heads within a block time, and the triggers' logs of the blocks that it pushes.

A quiet chain and a silent socket look alike from the socket alone, so the head over HTTP is asked for too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import trio

from actors.config import AssetConfig
from actors.doctor.node.measured import Pushed
from actors.doctor.node.probe import Probe
from actors.errors import NodeError
from actors.evm import jsonrpc
from actors.evm.endpoint import public_name
from actors.evm.logs import filter_for
from actors.evm.ws import Connect, Session, connect, open_session

BLOCKS = 2.5  # block times that are waited for a head: the next block may have been late
WAIT_SECS = (3.0, 30.0)  # at least, at most
LOGS_SECS = 2.0  # logs come around their head
Note = dict[str, Any]


async def push(url: str, probe: Probe | None, assets: Sequence[AssetConfig], wait: bool, connect: Connect = connect) -> Pushed:
    """Connect and subscribe; `wait`: for a head too. `probe` is an endpoint over HTTP of the same chain, for comparison."""
    found = Pushed(public_name(url))

    def count(method: str) -> None:
        if method != "eth_subscription":
            found.calls += 1

    try:
        async with open_session(url, connect, count) as session:
            found.chain_id = jsonrpc.chain_id_of(await session.request("eth_chainId", []))
            heads = await session.subscribe("newHeads", None)
            logs = {await session.subscribe("logs", filter_for(asset.triggers)) for asset in assets if asset.triggers}
            found.subscribed = True
            if wait:
                await _wait(session, found, heads, logs, probe, assets)
    except NodeError as error:
        found.error = str(error)
    return found


def patience_secs(block_secs: float | None) -> float:
    """How long a head is waited for."""
    least, most = WAIT_SECS
    return min(most, max(least, BLOCKS * (block_secs or 0)))


async def _wait(session: Session, found: Pushed, heads: str, logs: set[str], probe: Probe | None, assets: Sequence[AssetConfig]) -> None:
    before = await _head(probe)
    began, block = trio.current_time(), None
    pushed = Counter[str]()
    deadline = began + patience_secs(probe.found.block_secs if probe else None)
    with trio.move_on_at(deadline) as waiting:
        while True:
            subscription, note = await session.next_note()
            if subscription in logs and isinstance(note.get("blockHash"), str):
                pushed[note["blockHash"]] += 1
            if subscription == heads and block is None:
                block = note.get("hash")
                found.first_head_secs = round(trio.current_time() - began, 3)
                waiting.deadline = trio.current_time() + (LOGS_SECS if logs else 0)
    found.waited_secs = round(trio.current_time() - began, 3)
    after = await _head(probe)
    found.http_blocks = None if before is None or after is None else after - before
    if logs and probe is not None and isinstance(block, str):
        found.logs, found.logs_due = pushed[block], await _due(probe, block, assets)


async def _head(probe: Probe | None) -> int | None:
    try:
        return int(await probe.endpoint.call("eth_blockNumber", []), 16) if probe is not None else None
    except (NodeError, TypeError, ValueError):
        return None


async def _due(probe: Probe, block: str, assets: Sequence[AssetConfig]) -> int | None:
    """How many logs of that block the subscriptions match."""
    try:
        return sum([len(await probe.endpoint.logs({"blockHash": block, **filter_for(asset.triggers)})) for asset in assets if asset.triggers])
    except NodeError:
        return None
