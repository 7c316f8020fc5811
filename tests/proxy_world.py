"""A world behind proxies, and a look at its rows at any time."""

from __future__ import annotations

import copy
import itertools
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from actors.system import System
from tests.proxy import Call, Fault, Proxy
from tests.proxy_faults import Tally
from tests.world import Mode, World, eventually, followed, running

Behind = Callable[..., World]
MINED_MEANWHILE = 4  # blocks: a busy machine's node makes several at once
TIMES = "confirm_secs = 0.3\npoll_interval_secs = 0.1\nstall_secs = 1\n"
LOGS: Mode = {"chain": TIMES + 'follow = "logs"'}
HEADS: Mode = {"chain": TIMES + 'follow = "heads"'}
POLLING: Mode = {"ws": False, "chain": TIMES + 'reads = "multicall3"'}
BY_NAME = {"logs": LOGS, "heads": HEADS, "polling": POLLING}
MODES = pytest.mark.parametrize("mode", list(BY_NAME.values()), ids=list(BY_NAME))
SOCKETS = pytest.mark.parametrize("mode", [LOGS, HEADS], ids=["logs", "heads"])


def world_behind(folder: Path, database: str, town: Town, *proxies: Proxy, **toml: Any) -> World:
    """A world whose endpoints are these proxies, the first one preferred; the socket is the first one's."""
    world = World(folder, database, town, **toml)
    node = proxies[0].nodes[0]
    text = world.path.read_text().replace(f'"{node.http}"', ", ".join(f'"{proxy.http}"' for proxy in proxies))
    world.path.write_text(text.replace(node.ws, proxies[0].ws))
    world.reload()
    return world


@contextmanager
def twin_of(anvil: Anvil, town: Town) -> Iterator[tuple[Anvil, Town]]:
    """A second node with the same blocks, and the town on it; from here on each goes its own way."""
    with Anvil() as other:
        other.rpc("anvil_loadState", anvil.rpc("anvil_dumpState", True))
        twin = copy.copy(town)
        twin._anvil = other
        yield other, twin


def lies(world: World, strict: bool) -> list[str]:
    """The rows that are not what the chain says at the block that they name.

    Unless `strict`, the state of one of the next blocks will do: while anvil mines, a call at its head may see that, under the head's own
    number (about one in a hundred, also by hash), which no question from inside the call can tell.
    """
    rows: dict[int, dict[bytes, int]] = defaultdict(dict)
    found = world.query("SELECT wallet, balance, read_block FROM eth_wallet_balances WHERE read_block IS NOT NULL")
    for wallet, balance, block in found:
        rows[block][bytes.fromhex(wallet[2:])] = int(balance)
    return [lie for block, of in rows.items() for lie in _lies_at(world.town, block, of, strict)]


def _lies_at(town: Town, block: int, rows: dict[bytes, int], strict: bool) -> list[str]:
    truth = town.truths(list(rows), block)
    wrong = {wallet: balance for wallet, balance in rows.items() if balance != truth[wallet]}
    for later in range(block + 1, min(block + MINED_MEANWHILE, town.block()) + 1) if wrong and not strict else ():
        if town.truths(list(wrong), later) == wrong:  # of one of them, for all
            return []
    return [f"0x{wallet.hex()} at block {block}: {balance} instead of {truth[wallet]}" for wallet, balance in wrong.items()]


@asynccontextmanager
async def never_lying(world: World, strict: bool = False) -> AsyncIterator[None]:
    """Look at the rows all the while: each is true at the block that it names."""

    async def look() -> None:
        while True:
            found = await trio.to_thread.run_sync(lies, world, strict)
            assert not found, found
            await trio.sleep(0.05)  # a look takes the node and this process some 10 ms

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        yield
        nursery.cancel_scope.cancel()
    assert not (found := lies(world, strict)), found


def busy(town: Town, count: int = 8) -> None:
    """Traffic that is mined when this returns, over several blocks."""
    for _ in range(2):
        town.traffic(count // 2)
        town.mine()


@asynccontextmanager
async def following(world: World) -> AsyncIterator[System]:
    """The service without its sweeps, once it follows; each row is true at the block that it names, all the while."""
    async with running(world, sweep=False) as system, never_lying(world):
        await followed(world)
        yield system


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


async def connected(system: System) -> None:
    await eventually(lambda: system.view.chains["town"].connected, "a session")


def all_true(world: World) -> bool:
    """Whether every row is what the chain says now."""
    rows = world.rows()
    return {wallet: balance for wallet, (balance, _) in rows.items()} == world.town.truths(list(rows), world.town.block())


def mine(town: Town, count: int) -> None:
    for _ in range(count):
        town.mine()


def place(world: World, wallets: list[bytes], day: str = "1970-01-01") -> None:
    """Rows that were never read."""
    names = ["0x" + wallet.hex() for wallet in wallets]
    world.query("INSERT INTO eth_wallet_balances (wallet, updated_at) SELECT unnest(%s::text[]), %s::timestamp", names, day)
