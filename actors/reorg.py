"""Finding reorgs by the remembered blocks, and healing them.

Another hash at a number that the node has is a reorg, unless another endpoint that is further on says that the block stands: then the
node sits on a branch of its own, and is left. The fork is the newest remembered block whose hash still stands. One transaction
raises the branch and takes the checkpoints back; the chain's open closings are dropped; the rows read above the fork are repaired in pages;
then the orphaned blocks are forgotten. A crash before that finds the same reorg again. One at a time for a chain: the assets' closings
wait here.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio

from actors.config import AssetConfig
from actors.errors import NodeBehind, NodeError, Permanent, TooLarge, WrongBlock
from actors.evm.block import Header
from actors.evm.endpoint import Endpoint
from actors.evm.reader import BLOCKHASH_REACH
from actors.log import get_logger
from actors.messages import Repair, Touch
from actors.ports import ChainPorts
from actors.progress import waiting_for_others
from actors.store import chain as chain_store
from actors.store import holders
from actors.store.chain import Block
from actors.store.holders import RowState

PAGE = 50_000
ASK_AT_ONCE = 50
LADDER_STEPS = 9
LEFT_SECS = 2.0
log = get_logger("reorg")


class Reorgs:
    """One chain's reorgs. See the module."""

    def __init__(self, ports: ChainPorts) -> None:
        self._ports = ports
        self._lock = trio.Lock()

    async def look(self, blocks: Sequence[Block], branch: int, endpoint: Endpoint, tip: Header) -> bool:
        """Compare remembered blocks with the ancestors of the endpoint's `tip`; heal where they differ. True: the checkpoint may have
        moved.

        `branch`: the chain's, as it was before the blocks were loaded. Raises WrongBlock where it is the endpoint that is on another
        branch.
        """
        with waiting_for_others():  # another asset's closing may be healing, which takes as long as it takes
            await self._lock.acquire()
        try:
            return self._ports.view.branch != branch or await self._look(blocks, endpoint, tip)
        finally:
            self._lock.release()

    async def _look(self, blocks: Sequence[Block], endpoint: Endpoint, tip: Header) -> bool:
        found = await self._orphaned(endpoint, tip, blocks)
        if not found:
            return False
        everything = await self._ports.store.patiently(chain_store.remembered, self._ports.config.name, -1)
        orphaned = await self._orphaned(endpoint, tip, everything)
        if not set(found) <= set(orphaned):
            raise WrongBlock("contradicts itself about the blocks of its chain")
        await self._hear_others(endpoint, tip, orphaned)
        since = await self._ports.store.patiently(chain_store.asked_since, self._ports.config.name, orphaned)
        await self._heal(endpoint, fork_of(everything, orphaned, since), orphaned, everything)
        return True

    async def _orphaned(self, endpoint: Endpoint, tip: Header, blocks: Sequence[Block]) -> list[Block]:
        """The blocks at whose number the tip's branch has another hash."""
        there = await self._hashes(endpoint, tip, sorted({number for number, _ in blocks}))
        return [block for block in blocks if there.get(block[0]) not in (None, block[1])]

    async def _hashes(self, endpoint: Endpoint, tip: Header, numbers: Sequence[int]) -> dict[int, bytes]:
        """The hashes on the tip's branch: the near ones of its own ancestors in one call, the others by number."""
        found = {tip.number: tip.hash, tip.number - 1: tip.parent}
        near = [one for one in numbers if one not in found and 0 < tip.number - one <= BLOCKHASH_REACH]
        if near:
            found |= await self._ancestors(endpoint, tip, near)
        far = [one for one in numbers if one not in found and one < tip.number]
        for at in range(0, len(far), ASK_AT_ONCE):
            page = far[at : at + ASK_AT_ONCE]
            answers = await endpoint.batch([("eth_getBlockByNumber", [hex(number), False]) for number in page])
            for number, answer in zip(page, answers, strict=True):
                if isinstance(answer, NodeError) and not isinstance(answer, NodeBehind):
                    raise answer
                if answer is not None and not isinstance(answer, NodeBehind):
                    found[number] = Header.from_json(answer).hash
        return found

    async def _ancestors(self, endpoint: Endpoint, tip: Header, numbers: Sequence[int]) -> dict[int, bytes]:
        """Nothing where the chain tells no hashes from inside."""
        reader = self._ports.reader
        try:
            await reader.probe(endpoint)
            hashes = await reader.ancestors(endpoint, tip, numbers)
        except (Permanent, TooLarge):
            return {}
        return {number: value for number, value in zip(numbers, hashes, strict=True) if value is not None}

    async def _hear_others(self, endpoint: Endpoint, tip: Header, orphaned: Sequence[Block]) -> None:
        """Raise WrongBlock where an endpoint that is further on (or as far, and preferred) says that the blocks stand.

        Also those that were left a moment ago are heard: else a node on a branch of its own is believed whenever the better one stumbles.
        """
        pool = self._ports.pool
        for other in pool.others(endpoint):
            await self._hear(other, endpoint, tip, orphaned)
        for other in pool.left():
            if other is not endpoint:
                with trio.move_on_after(LEFT_SECS):
                    await self._hear(other, endpoint, tip, orphaned)

    async def _hear(self, other: Endpoint, endpoint: Endpoint, tip: Header, orphaned: Sequence[Block]) -> None:
        """What one other says of it; if it is the other that is behind on another branch, it is left."""
        try:
            head = await other.header("latest")
            there = {} if head is None else await self._hashes(other, head, sorted({number for number, _ in orphaned}))
        except NodeError as error:
            self._ports.failed(other, error)
            return
        if head is None or any(there.get(number) != value for number, value in orphaned):
            return
        if (head.number, -other.index) > (tip.number, -endpoint.index):
            raise WrongBlock(f"sits on another branch than {other.name}, which is further on")
        self._ports.failed(other, WrongBlock(f"sits on another branch than {endpoint.name}, which is further on"))

    async def remember_below(self, endpoint: Endpoint, tip: Header) -> None:
        """Remember some of a block's own ancestors, ever farther apart: what a reorg deeper than all that was closed is measured by.

        Not what the node has at those numbers: it may have gone over to another branch by now, whose logs were never asked for. Nothing is
        known of the blocks between them: each is remembered as the end of what was asked for above the one before, or a fork would be
        taken too high where a reading on another branch left a block there.
        """
        numbers = [tip.number - 2**step for step in range(LADDER_STEPS) if tip.number - 2**step >= 0]
        found = {tip.number: tip.hash, **await self._ancestors(endpoint, tip, numbers)}
        blocks = sorted(found.items())
        for below, block in zip([None, *(number for number, _ in blocks)], blocks, strict=False):
            await self._ports.store.patiently(chain_store.remember, self._ports.config.name, [block], below)

    async def _remember_below_fork(self, endpoint: Endpoint, fork: int, remembered: Sequence[Block]) -> None:
        """Best effort: without them the next reorg that is deeper still is healed from the oldest remembered block."""
        try:
            header = await endpoint.header(fork)
            if header is not None and all(number != fork or value == header.hash for number, value in remembered):
                await self.remember_below(endpoint, header)
        except NodeError as error:
            log.warning("older blocks are not remembered", chain=self._ports.config.name, reason=str(error))

    async def _heal(
        self, endpoint: Endpoint, fork: int, orphaned: Sequence[Block], remembered: Sequence[Block]
    ) -> None:
        ports, chain = self._ports, self._ports.config.name
        names, tables = [a.checkpoint for a in ports.assets.values()], [a.table for a in ports.assets.values()]
        log.warning("reorg", chain=chain, fork=fork)
        ports.metrics.reorgs.labels(chain).inc()
        was = ports.view.branch
        ports.view.branch, first = await ports.store.patiently(chain_store.reorg, chain, names, fork, was, tables)
        # Not `ports.view.branch` from here on: another copy may have healed a reorg since, and gone on. This one's repairs would lower what
        # that has closed.
        branch = was + 1
        ports.view.closed = None
        for errand in ports.book.open_of("closing", chain):
            if errand.move is not None and (not first or errand.move.target.last_block > fork):
                ports.book.drop(errand.id)
        if not first:
            return  # to another fork, perhaps: what is orphaned still is remembered, and is found again on the new branch
        for shown in (ports.asset_views[name] for name in ports.assets):
            shown.checkpoint_block = None if shown.checkpoint_block is None else min(shown.checkpoint_block, fork)
        await self._remember_below_fork(endpoint, fork, remembered)
        for asset in ports.assets.values():
            await self._repair(asset, fork, branch)
        await ports.store.patiently(chain_store.forget, chain, orphaned, branch)

    async def _repair(self, asset: AssetConfig, fork: int, branch: int) -> None:
        """Read again, page by page, the rows that were read above the fork."""
        after = ""
        while rows := await self._ports.store.patiently(holders.above, asset, fork, after, PAGE):
            after = "0x" + rows[-1].wallet.hex()
            touches = [_repair_touch(asset.name, row, fork, branch) for row in rows]
            errand = self._ports.book.register("repair", self._ports.config.name, asset.name, touches)
            await self._ports.see_through(errand, live=True)
            log.info("repaired", asset=asset.name, rows=errand.requested)


def fork_of(remembered: Sequence[Block], orphaned: Sequence[Block], since: int | None) -> int:
    """The newest remembered block that still stands below every orphaned one; where none does, the block before the oldest.

    It is not above `since`: an orphaned closing asked for the logs above that. A reading that came on the new branch before that closing
    ended left a block that stands, but is none of the orphaned closing's own ancestors.
    """
    oldest_orphan = min(orphaned)[0]
    highest = oldest_orphan - 1 if since is None else min(since, oldest_orphan - 1)
    standing = [number for number, _ in remembered if number <= highest]
    if standing:
        return max(standing)
    log.error("the reorg is deeper than what is remembered: repairs begin at the oldest remembered block", block=highest + 1)
    return highest


def _repair_touch(asset: str, row: RowState, fork: int, branch: int) -> Touch:
    assert row.read_block is not None  # selected by it
    return Touch(asset, row.wallet, repair=Repair(fork, row.read_block, row.updated_at, branch))
