"""How many wallets of a block go into one call, and what becomes of those that no call takes."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from actors.audit.calls import MOST_UNREADABLE, Calls
from actors.errors import Permanent, TooLarge
from actors.evm.block import Pin
from actors.evm.rung import Answer, Failure
from tests.evm.fake_node import header_of

WALLETS = [f"0x{number:040x}" for number in range(1, 1001)]
PIN = Pin(5, header_of(5).hash, header_of(5))


class Node:
    """A reader and its node: a call of more than `most` wallets, or of one of `burners`, is too large. A wallet's balance is its number."""

    def __init__(self, most: int, burners: Sequence[str] = (), reverting: Sequence[str] = ()) -> None:
        self._most, self._burners, self._reverting = most, set(burners), set(reverting)
        self.calls: list[int] = []
        self.refusal: Exception | None = None

    def rung(self, endpoint: object, name: str | None) -> object:
        return SimpleNamespace(name="packed", most=10_000)

    async def read(self, endpoint: object, pin: Pin, plan: Sequence[tuple[Any, bytes]], wide: bool, rung: str | None) -> Answer:
        self.calls.append(len(plan))
        if self.refusal is not None:
            raise self.refusal
        wallets = ["0x" + wallet.hex() for _, wallet in plan]
        if len(plan) > self._most or self._burners & set(wallets):
            raise TooLarge("out of gas")
        return Answer([Failure("reverted") if wallet in self._reverting else int(wallet, 16) for wallet in wallets])


async def sums(node: Node, calls: Calls | None = None) -> dict[str, int | None]:
    endpoint: Any = SimpleNamespace(url="http://a", probed=True)
    return await (calls or calls_of(node)).sums(endpoint, PIN, WALLETS, None)


def calls_of(node: Node) -> Calls:
    ports: Any = SimpleNamespace(reader=node, archives=[], sources_of=lambda asset: (), config=SimpleNamespace(holders_per_call=6000))
    return Calls(ports, "A")


@pytest.mark.parametrize("most", [1, 7, 150, 200, 5000])
async def test_every_wallet_is_read_whatever_a_call_holds(most: int) -> None:
    node = Node(most)
    assert await sums(node) == {wallet: int(wallet, 16) for wallet in WALLETS}
    assert len(node.calls) < 2.5 * len(WALLETS) / min(most, 200) + 10


async def test_a_wallet_that_no_call_takes_has_no_sum_and_takes_nobody_along() -> None:
    node = Node(5000, burners=WALLETS[3:500:200], reverting=WALLETS[10:12])
    found = await sums(node)
    assert [wallet for wallet, value in found.items() if value is None] == sorted([*WALLETS[3:500:200], *WALLETS[10:12]])
    assert len(found) == len(WALLETS)
    assert len(node.calls) < 90


async def test_a_node_that_reads_hardly_any_wallet_is_at_fault_itself() -> None:
    node = Node(5000, burners=WALLETS)
    with pytest.raises(TooLarge):
        await sums(node)
    assert len(node.calls) < 8 * MOST_UNREADABLE
    empty = Node(-1)
    with pytest.raises(TooLarge):
        await sums(empty)


async def test_what_was_refused_once_is_not_asked_for_again() -> None:
    node = Node(150)
    calls = calls_of(node)
    await sums(node, calls)
    node.calls.clear()
    await sums(node, calls)
    assert max(node.calls) <= 199


async def test_an_old_block_that_a_rung_does_not_serve_costs_the_live_path_nothing() -> None:
    """The endpoint is not probed again for its sake, unless nobody but the audit asks it."""
    node = Node(5000)
    node.refusal = Permanent("the method does not exist")
    calls = calls_of(node)
    for archive in (False, True):
        endpoint: Any = SimpleNamespace(url="http://a", probed=True)
        calls._ports.archives = [endpoint] if archive else []
        with pytest.raises(Permanent):
            await calls.sums(endpoint, PIN, WALLETS, None)
        assert endpoint.probed != archive
