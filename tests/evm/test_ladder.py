"""All rungs give the same values and the same failures, on a real node, as an independent reading does."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actors.evm.abi import parse_call
from actors.evm.block import Pin
from actors.evm.endpoint import Endpoint
from actors.evm.http import HttpClient
from actors.evm.pool import Pool
from actors.evm.reader import LADDER, Reader
from actors.evm.rung import Failure, PageAnswer, Plan, Value
from actors.evm.source import Source
from actors.sandbox.anvil import Anvil
from actors.sandbox.town import MULTICALL3, Town, arg, selector

CHAIN_ID = 31337
ADDRESS = bytes.fromhex(MULTICALL3[2:])
MODES = range(7)  # what the weird token does: 7, revert, nothing, 31 bytes, 33 bytes, all ones, burns all gas
NATIVE = Source(None, None)


class Place:
    """A town whose weird token treats each wallet in its own way, and a contract-less source."""

    def __init__(self, anvil: Anvil) -> None:
        self.anvil, self.town = anvil, Town(anvil, wallets=30)
        for index, wallet in enumerate(self.town.wallets):
            self.town.send(self.town.weird, selector("setMode(address,uint8)") + arg(wallet) + arg(index % 7))
            anvil.rpc("anvil_setBalance", "0x" + wallet.hex(), hex(index * 10**18))
        self.town.stake(self.town.wallets[7], 2**200)
        self.town.mine()
        self.town.mine()
        call = parse_call("balanceOf(address)")
        calls = {self.town.token: call, self.town.weird: call, self.town.staking: parse_call("totalStakedFor(address)")}
        self.sources = [Source(bytes.fromhex(to[2:]), data) for to, data in calls.items()]
        self.sources += [Source(b"\x77" * 20, call), NATIVE]  # no code there; the native balance

    def truth(self, sources: tuple[Source, ...], wallet: bytes) -> int | None:
        """The sum by plain calls of the anvil's own client; None where a source fails."""
        total = 0
        for source in sources:
            if source.contract is None or source.selector is None:
                total += int(self.anvil.rpc("eth_getBalance", "0x" + wallet.hex(), "latest"), 16)
                continue
            if source.contract.hex() == self.town.weird[2:].lower() and self.mode(wallet) != 0:
                return None
            data = "0x" + source.selector.hex() + arg(wallet)
            answer = self.anvil.rpc("eth_call", {"to": "0x" + source.contract.hex(), "data": data}, "latest")
            if len(answer) != 66:
                return None
            total += int(answer, 16)
        return total

    def mode(self, wallet: bytes) -> int:
        """How the weird token treats a wallet."""
        return self.town.wallets.index(wallet) % 7 if wallet in self.town.wallets else 0


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with Anvil() as anvil:
        yield Place(anvil)


@asynccontextmanager
async def endpoint_of(anvil: Anvil) -> AsyncIterator[Endpoint]:
    async with HttpClient() as client:
        yield Pool([anvil.http], CHAIN_ID, client, trio.current_time).endpoints[0]


async def probed(endpoint: Endpoint, rung: str) -> tuple[Reader, Pin]:
    reader = Reader(CHAIN_ID, ADDRESS, rung)
    endpoint.probed = False
    await reader.probe(endpoint)
    header = await endpoint.header("latest")
    assert header is not None
    return reader, Pin(header.number, header.hash, header)


async def read(endpoint: Endpoint, rung: str, plan: Plan) -> list[Value]:
    """By one rung; who fails in a batch is asked for alone, as the batcher does it."""
    reader, pin = await probed(endpoint, rung)
    values = (await reader.read(endpoint, pin, plan)).values
    for index, value in enumerate(values):
        if isinstance(value, Failure):
            (values[index],) = (await reader.read(endpoint, pin, [plan[index]])).values
    return values


def burns(place: Place, plan: Plan) -> bool:
    weird = bytes.fromhex(place.town.weird[2:])
    return any(place.mode(wallet) == 6 and any(source.contract == weird for source in sources) for sources, wallet in plan)


def test_every_rung_says_what_plain_calls_say(place: Place) -> None:
    """Each way to fail, over each list of sources, in one plan; gas burners one at a time, since they leave little to those after them."""
    token, weird, staked, nobody, native = place.sources
    strangers = [random.Random(1).randbytes(20) for _ in range(5)]
    lists = [(token,), (token, weird), (weird, staked), (native,), (native, staked, token), (token, nobody)]
    plan = [(sources, wallet) for sources in lists for wallet in [*place.town.wallets, *strangers]]
    plan = [entry for entry in plan if not burns(place, [entry])]

    async def ask() -> list[list[Value]]:
        async with endpoint_of(place.anvil) as endpoint:
            return [await read(endpoint, rung, plan) for rung in LADDER]

    by_rung = trio.run(ask)
    truths = [place.truth(*entry) for entry in plan]
    for rung, values in zip(LADDER, by_rung, strict=True):
        sums = [None if isinstance(value, Failure) else value for value in values]
        assert sums == truths, rung
        assert values == by_rung[0], rung
    reasons = {value.reason for value in by_rung[0] if isinstance(value, Failure)}
    sizes = {f"source 1 answered {size} bytes instead of 32" for size in (0, 31, 33)}
    assert {*sizes, "source 1 reverted", "overflow"} <= reasons


@pytest.mark.parametrize("rung", LADDER)
async def test_a_gas_burner_fails_alone_on_every_rung(rung: str) -> None:
    with Anvil() as anvil:
        place = await trio.to_thread.run_sync(Place, anvil)
        token, weird, *_ = place.sources
        burner, rich = place.town.wallets[6], place.town.wallets[7]
        async with endpoint_of(anvil) as endpoint:
            assert await read(endpoint, rung, [((token, weird), burner)]) == [Failure("source 1 reverted")]
            assert await read(endpoint, rung, [((token, weird), rich)]) == [place.truth((token, weird), rich)]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_all_rungs_agree_on_any_plan(place: Place, data: st.DataObject) -> None:
    """Any mixture of sources and wallets, in any order, a wallet more than once, with sums that need more than 16 bytes."""
    lists = [tuple(some) for count in (0, 1, 2, 3) for some in itertools.combinations(place.sources, count)]
    wallets = [*place.town.wallets, *(bytes([byte]) * 20 for byte in (1, 2, 0xFF))]
    plan = data.draw(st.lists(st.tuples(st.sampled_from(lists), st.sampled_from(wallets)), max_size=12))
    plan = [entry for entry in plan if not burns(place, [entry])]

    async def ask() -> list[list[Value]]:
        async with endpoint_of(place.anvil) as endpoint:
            return [await read(endpoint, rung, plan) for rung in LADDER]

    by_rung = trio.run(ask)
    assert all(values == by_rung[0] for values in by_rung)
    truths = [place.truth(*entry) if entry[0] else None for entry in plan]
    assert [None if isinstance(value, Failure) else value for value in by_rung[0]] == truths


def test_a_page_is_read_as_its_wallets_are(place: Place) -> None:
    lists = [tuple(some) for count in (1, 2, 3) for some in itertools.combinations(place.sources, count)]
    pages = [(sources, [wallet for wallet in place.town.wallets if not burns(place, [(sources, wallet)])]) for sources in lists]
    all_words = [wallet for wallet in place.town.wallets if place.mode(wallet) in (0, 5)]
    pages += [(sources, all_words) for sources in lists]

    async def ask(rung: str) -> list[list[int | None]]:
        async with endpoint_of(place.anvil) as endpoint:
            reader, pin = await probed(endpoint, rung)
            return [await whole(reader, endpoint, pin, *page) for page in pages]

    truths = [[place.truth(sources, wallet) for wallet in wallets] for sources, wallets in pages]
    assert any(None in page for page in truths)
    for rung in LADDER:
        assert trio.run(ask, rung) == truths, rung


async def whole(reader: Reader, endpoint: Endpoint, pin: Pin, sources: tuple[Source, ...], wallets: list[bytes]) -> list[int | None]:
    """A page's sums; where it is marked, those that it has not are asked for again as words."""
    found = await reader.read_page(endpoint, pin, sources, b"".join(wallets).hex())
    if found.marked:
        wide = (await reader.read(endpoint, pin, [(sources, wallet) for wallet in wallets], wide=True)).values
        words = [value if isinstance(value, int) else None for value in wide]
        assert _numbers(found, len(wallets)) == [None if word is None or word >= 2**128 - 1 else word for word in words]
        return words
    return _numbers(found, len(wallets))


def _numbers(found: PageAnswer, count: int) -> list[int | None]:
    sums = iter(found.sums.split(","))
    return [None if place in found.failed else int(next(sums), 16) for place in range(count)]
