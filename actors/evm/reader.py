"""The ladder: reads many wallets by the best rung that an endpoint was seen to serve.

Each rung is probed on each endpoint, never assumed by a client's name: `packed`, then `multicall3`, then `deployless`, whose answers prove
their block; then `single`, where hash pins are honoured. What a probe found is kept with the endpoint until whoever reads finds that it
does not hold any more, and has it probed again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from actors.errors import BadAnswer, NodeBehind, NodeError, Permanent, Throttled, TooLarge, WrongBlock, WrongChain
from actors.evm import attest
from actors.evm.attest import Word, number_of
from actors.evm.block import Header, Pin
from actors.evm.headers import header_of
from actors.evm.multicall3 import Multicall3
from actors.evm.packed import Packed
from actors.evm.rung import Answer, Node, PageAnswer, Plan, Rung, Sources
from actors.evm.single import MADE_UP_HASH, Single, asked_of_nobody

BLOCKHASH_REACH = 256
LADDER = ("packed", "multicall3", "deployless", "single")


class Probed(Node, Protocol):
    """An endpoint, and what a probe found of it. `rungs`: the names of those that work, the best one first."""

    probed: bool
    rungs: tuple[str, ...]


class Reader:
    """A chain's ladder: `reads` is `auto`, or the name of the only rung to use."""

    def __init__(self, chain_id: int, multicall3: bytes, reads: str = "auto") -> None:
        self._chain_id = chain_id
        rungs: list[Rung] = [Packed(), Multicall3(multicall3), Packed(deployless=True), Single()]
        self._rungs = {rung.name: rung for rung in rungs}
        self._multicall3 = "0x" + multicall3.hex()
        self.use(reads)

    def use(self, reads: str) -> None:
        """The rungs to probe from now on. An endpoint is read by what it was seen to serve until it is probed again: nothing is read by a
        rung that was not seen to prove its block there.
        """
        self._ladder = tuple(name for name in self._rungs if reads in ("auto", name))

    def rung(self, node: Probed, name: str | None = None) -> Rung:
        """The best rung of an endpoint; before it was probed, the best there is. `name`: that one."""
        if name is not None:
            return self._rungs[name]
        return self._rungs[node.rungs[0] if node.rungs else self._ladder[0]]

    async def read(self, node: Probed, pin: Pin, plan: Plan, wide: bool = False, rung: str | None = None) -> Answer:
        """Each wallet's sum at the pin, in the plan's order; `wide`: also those that need more than 16 bytes; `rung`: by that one. Raises
        WrongBlock where the answer is from elsewhere, or another NodeError.
        """
        return await self.rung(node, rung).read(node, self._chain_id, pin, plan, wide)

    async def read_page(self, node: Probed, pin: Pin, sources: Sources, addresses: str) -> PageAnswer:
        """The sums of wallets of one list of sources, whose addresses follow each other in hex digits. Raises as `read`."""
        return await self.rung(node).read_page(node, self._chain_id, pin, sources, addresses)

    async def ancestors(self, node: Probed, tip: Header, numbers: Sequence[int]) -> list[Word]:
        """The hashes of the tip's own ancestors, at most `BLOCKHASH_REACH` below it, in one answer that is the tip's: no replica of a
        load balancer can answer for another. None where the chain does not tell. Raises a NodeError.
        """
        return await self.rung(node).ancestors(node, self._chain_id, tip, numbers)

    async def probe(self, node: Probed) -> None:
        """Learn which rungs an endpoint serves, how it numbers blocks, and whether it honours hash pins: an older block's hash, and one
        that nobody has.

        Done once: an endpoint that is `probed` is asked nothing. Raises Permanent where no rung works, or another NodeError.
        """
        if node.probed:
            return
        ladder = self._ladder
        head = await header_of(node, "latest")
        older = head if head.number == 0 else await node.header(head.number - 1) or head
        node.number_from_arbsys, node.hash_pins, node.rungs = await self._look(node, older, ladder)
        node.probed = ladder == self._ladder  # it may have changed meanwhile: then the next one probes again

    async def _look(self, node: Probed, older: Header, ladder: Sequence[str]) -> tuple[bool, bool, tuple[str, ...]]:
        arbsys, hash_pins = False, False
        works: list[str] = []
        why: list[NodeError] = []
        for rung in (self._rungs[name] for name in ladder if name != "single"):
            try:
                if not works:
                    arbsys = await self._numbers_by_arbsys(node, rung, older.number)
                    hash_pins = await self._honours_hash(node, rung, arbsys, older)
                pin = Pin(older.number, older.hash, older)
                attest.check(await self._asked(node, rung, attest.where(pin, hash_pins), arbsys, older.number), pin, self._chain_id)
            except (Permanent, WrongBlock) as error:
                why.append(error)
            else:
                works.append(rung.name)
        if "single" in ladder and (hash_pins if works else await self._refuses_made_up(node, older)):
            works.append("single")
        if works:
            return arbsys, hash_pins or works == ["single"], tuple(works)
        raise next((error for error in why if isinstance(error, WrongBlock)), None) or Permanent(
            "nothing reads here: " + "; ".join(map(str, why))
        )

    async def _asked(self, node: Probed, rung: Rung, at: Any, arbsys: bool, number: int) -> Sequence[Word]:
        """The attested words. Raises Permanent where the node does not serve the rung.

        Clients have many wordings for a refusal, and not all are known as one: an error twice, while the node answers otherwise in
        between, is one too. A node that fails at both is down, and the error says so.
        """
        await self._check_code(node, rung, number)
        last: NodeError | None = None
        for _ in range(2):
            try:
                return await rung.attested(node, at, arbsys, number)
            except (Permanent, NodeBehind, Throttled, WrongChain):
                raise
            except NodeError as error:
                last = error
                await node.call("eth_blockNumber", [])
        raise Permanent(f"{rung.name}: {last}") from last

    async def _check_code(self, node: Probed, rung: Rung, number: int) -> None:
        if rung.name == "multicall3" and await node.call("eth_getCode", [self._multicall3, hex(number)]) == "0x":
            raise Permanent(f"no Multicall3 at {self._multicall3} in block {number}")

    async def _numbers_by_arbsys(self, node: Probed, rung: Rung, number: int) -> bool:
        """Where NUMBER is not the block's, it is another chain's (Arbitrum) or the node ignores the block: only the first can be helped."""
        for arbsys in (False, True):
            answer = await self._asked(node, rung, hex(number), arbsys, number)
            if number_of(answer[4]) != self._chain_id:
                raise WrongBlock(f"answers from chain {number_of(answer[4])}")
            if number_of(answer[0]) == number:
                return arbsys
        raise WrongBlock("cannot attest its block number")

    async def _honours_hash(self, node: Probed, rung: Rung, arbsys: bool, older: Header) -> bool:
        try:
            at_hash = await self._asked(node, rung, attest.at_hash(older.hash), arbsys, older.number)
        except (Permanent, NodeBehind):
            return False
        if number_of(at_hash[0]) != older.number:
            return False
        return await _refuses(lambda: self._asked(node, rung, attest.at_hash(MADE_UP_HASH), arbsys, older.number))

    async def _refuses_made_up(self, node: Probed, older: Header) -> bool:
        """Where nothing attests a block: whether balances and calls are answered at a hash, and neither at one that nobody has."""
        for honest, made_up in zip(asked_of_nobody(older.hash), asked_of_nobody(), strict=True):
            if await _refuses(partial(node.call, *honest)) or not await _refuses(partial(node.call, *made_up)):
                return False
        return True


async def _refuses(ask: Callable[[], Any]) -> bool:
    try:
        await ask()
    except (Permanent, NodeBehind, BadAnswer, TooLarge):
        return True
    return False
