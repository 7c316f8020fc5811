"""Finding reorgs by the remembered blocks, and healing them.

Another hash at a number that the node has is a reorg, unless another endpoint that is further on says that the block stands: then the
node sits on a branch of its own, and is left. The fork is the newest remembered block whose hash still stands. One transaction
raises the branch and takes the checkpoints back; the chain's open closings are dropped; the rows read above the fork are repaired in pages;
then the orphaned blocks are forgotten. A crash before that finds the same reorg again. One at a time for a chain: the assets' closings
wait here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import trio

from actors.config import AssetConfig
from actors.errors import NodeBehind, NodeError, WrongBlock
from actors.evm.block import Header
from actors.evm.pool import Endpoint
from actors.log import get_logger
from actors.messages import Marks, Repair, Touch
from actors.ports import ChainPorts
from actors.progress import waiting_for_others
from actors.store import chain as chain_store
from actors.store import holders
from actors.store.holders import RowState

PAGE = 50_000
ASK_AT_ONCE = 50
log = get_logger("reorg")
Block = tuple[int, bytes]


class Reorgs:
    """One chain's reorgs. See the module."""

    def __init__(self, ports: ChainPorts) -> None:
        self._ports = ports
        self._lock = trio.Lock()

    async def look(self, marks: Marks, endpoint: Endpoint | None = None, vouched: Mapping[int, bytes] | None = None) -> bool:
        """Compare the remembered blocks with the node's; heal where they differ. True: the checkpoint may have moved.

        `vouched`: hashes by number that need no asking. Raises WrongBlock where it is the endpoint that is on another branch.
        """
        with waiting_for_others():  # another asset's closing may be healing, which takes as long as it takes
            await self._lock.acquire()
        try:
            return await self._look(marks, endpoint, vouched or {})
        finally:
            self._lock.release()

    async def _look(self, marks: Marks, endpoint: Endpoint | None, vouched: Mapping[int, bytes]) -> bool:
        endpoint = endpoint or await self._ports.pool.pick()
        above = marks.last_block - 1 if marks.confirmed is None else marks.confirmed
        blocks = await self._ports.store.patiently(chain_store.remembered, self._ports.config.name, above)
        if not await self._orphaned(endpoint, [b for b in blocks if vouched.get(b[0]) != b[1]]):
            return False
        everything = await self._ports.store.patiently(chain_store.remembered, self._ports.config.name, -1)
        orphaned = await self._orphaned(endpoint, everything)
        if not orphaned:
            return False
        await self._hear_others(endpoint, orphaned)
        await self._heal(fork_of(everything, orphaned), orphaned)
        return True

    async def _orphaned(self, endpoint: Endpoint, blocks: Sequence[Block]) -> list[Block]:
        """The blocks at whose number the node has another hash."""
        return [block for block, stands in (await self._ask(endpoint, blocks)).items() if stands is False]

    async def _ask(self, endpoint: Endpoint, blocks: Sequence[Block]) -> dict[Block, bool | None]:
        """Whether each block stands, asked newest first; None where the node has none of that number."""
        found: dict[Block, bool | None] = {}
        newest_first = sorted(blocks, reverse=True)
        for at in range(0, len(newest_first), ASK_AT_ONCE):
            page = newest_first[at : at + ASK_AT_ONCE]
            answers = await endpoint.batch([("eth_getBlockByNumber", [hex(number), False]) for number, _ in page])
            for block, answer in zip(page, answers, strict=True):
                if isinstance(answer, NodeError) and not isinstance(answer, NodeBehind):
                    raise answer
                has = None if answer is None or isinstance(answer, NodeBehind) else Header.from_json(answer)
                found[block] = None if has is None else has.hash == block[1]
        return found

    async def _hear_others(self, endpoint: Endpoint, orphaned: Sequence[Block]) -> None:
        """Raise WrongBlock where an endpoint that is further on (or as far, and preferred) says that the blocks stand."""
        own = await self._standing(endpoint)
        for other in self._ports.pool.others(endpoint):
            try:
                says = await self._ask(other, orphaned)
                further = await self._standing(other) > own
            except NodeError as error:
                self._ports.pool.failed(other, error)
                continue
            if says and all(says.values()):
                if further:
                    raise WrongBlock(f"sits on another branch than {other.name}, which is further on")
                self._ports.pool.failed(other, WrongBlock(f"sits on another branch than {endpoint.name}, which is further on"))

    async def _standing(self, endpoint: Endpoint) -> tuple[int, int]:
        head = await endpoint.header("latest")
        return (-1 if head is None else head.number, -endpoint.index)

    async def _heal(self, fork: int, orphaned: Sequence[Block]) -> None:
        ports, chain = self._ports, self._ports.config.name
        names = [asset.checkpoint for asset in ports.assets.values()]
        log.warning("reorg", chain=chain, fork=fork)
        ports.metrics.reorgs.labels(chain).inc()
        branch = ports.view.branch
        ports.view.branch = await ports.store.patiently(chain_store.reorg, chain, names, fork, branch)
        ports.view.closed = None
        for errand in ports.book.open_of("closing", chain):
            if errand.move is not None and errand.move.target.last_block > fork:
                ports.book.drop(errand.id)
        for asset in ports.assets.values():
            await self._repair(asset, fork)
        await ports.store.patiently(chain_store.forget, chain, orphaned, branch + 1)

    async def _repair(self, asset: AssetConfig, fork: int) -> None:
        """Read again, page by page, the rows that were read above the fork."""
        after = ""
        while rows := await self._ports.store.patiently(holders.above, asset, fork, after, PAGE):
            after = "0x" + rows[-1].wallet.hex()
            touches = [_repair_touch(asset.name, row, fork) for row in rows]
            errand = self._ports.book.register("repair", self._ports.config.name, asset.name, touches)
            await self._ports.see_through(errand, live=True)
            log.info("repaired", asset=asset.name, rows=errand.requested)


def fork_of(remembered: Sequence[Block], orphaned: Sequence[Block]) -> int:
    """The newest remembered block that still stands below every orphaned one; where none does, the block before the oldest."""
    oldest_orphan = min(orphaned)[0]
    standing = [number for number, _ in remembered if number < oldest_orphan]
    if standing:
        return max(standing)
    log.error("the reorg is deeper than what is remembered: repairs begin at the oldest remembered block", block=oldest_orphan)
    return oldest_orphan - 1


def _repair_touch(asset: str, row: RowState, fork: int) -> Touch:
    assert row.read_block is not None  # selected by it
    return Touch(asset, row.wallet, repair=Repair(fork, row.read_block, row.updated_at))
