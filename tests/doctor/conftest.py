"""One chain for all that is measured here, behind proxies that set limits: 100 blocks with 40 logs each among some hundred without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from actors.budget.prices import Prices
from actors.config import ChainConfig
from actors.doctor.node import measure
from actors.doctor.node.probe import Probe
from actors.evm.aggregate3 import encode_aggregate3, word
from actors.evm.http import HttpClient
from actors.sandbox.anvil import Anvil
from actors.sandbox.town import MULTICALL3, Town
from tests.proxy import Proxy, open_proxy

# Emits as many logs without topics as its data says: 0 CALLDATALOAD loop: DUP1 ISZERO @done JUMPI 0 0 LOG0 1 SWAP1 SUB @loop JUMP done: STOP
EMITTER = "0x6000355b801560155760006000a0600190036003565b00"
LOUD, MIDDLE = bytes(19) + b"\x77", [bytes(18) + b"\x78" + bytes([number]) for number in range(5)]
LOUD_LOGS, MIDDLE_LOGS, QUIETS, BLOCKS, QUIET_BLOCKS = 12, 4, 8, 100, 300
LOGS = BLOCKS * (LOUD_LOGS + len(MIDDLE) * MIDDLE_LOGS + QUIETS)


def quiet(block: int) -> list[bytes]:
    """Contracts that emit in one block alone."""
    return [b"\x79" + bytes(16) + bytes([block]) + bytes([number, 1]) for number in range(QUIETS)]


def emit(anvil: Anvil) -> None:
    """Logs as real chains have them: much by few contracts, and a little by each of many. Each block has a transaction."""
    emitters = [LOUD, *MIDDLE, *(one for block in range(BLOCKS) for one in quiet(block))]
    anvil.batch([("anvil_setCode", ["0x" + emitter.hex(), EMITTER]) for emitter in emitters])
    anvil.rpc("evm_setAutomine", False)
    for _ in range(QUIET_BLOCKS):
        mined(anvil, {"to": "0x" + "00" * 19 + "ee"})
    for block in range(BLOCKS):
        calls = [(LOUD, word(LOUD_LOGS)), *((one, word(MIDDLE_LOGS)) for one in MIDDLE), *((one, word(1)) for one in quiet(block))]
        mined(anvil, {"to": MULTICALL3, "data": "0x" + encode_aggregate3(calls).hex()})
    for _ in range(2):
        mined(anvil, {"to": "0x" + "00" * 19 + "ee"})


def mined(anvil: Anvil, tx: dict[str, str]) -> None:
    """In a block of its own: a busy node takes a transaction in a moment after it said so."""
    sent = anvil.rpc("eth_sendTransaction", {"from": anvil.rpc("eth_accounts")[1], "gas": hex(3_000_000), **tx})
    while anvil.rpc("txpool_status")["pending"] == "0x0":
        pass
    anvil.rpc("evm_mine")
    assert anvil.rpc("eth_getTransactionReceipt", sent)


@pytest.fixture(scope="module")
def measured_town() -> Iterator[tuple[Anvil, Town]]:
    """The chain and the town on it; nothing changes it any more."""
    with Anvil() as anvil:
        town = Town(anvil, wallets=20)
        emit(anvil)
        yield anvil, town


@pytest.fixture(scope="module")
def chain_of_logs(measured_town: tuple[Anvil, Town]) -> Anvil:
    return measured_town[0]


@pytest.fixture
async def limited(chain_of_logs: Anvil) -> AsyncIterator[Proxy]:
    """An endpoint that can be given limits."""
    async with open_proxy(chain_of_logs) as proxy:
        yield proxy


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    async with HttpClient() as client:
        yield client


@pytest.fixture
async def probe(limited: Proxy, client: HttpClient) -> Probe:
    """It before it has any, and its head and rungs known."""
    return await standing(limited, client)


async def standing(proxy: Proxy, client: HttpClient, reads: str = "auto") -> Probe:
    """An endpoint whose head and rungs are known."""
    made = Probe("node", proxy.http, ChainConfig("town", 31337, (proxy.http,), reads=reads), Prices(), client)
    await measure.stands(made)
    await measure.serves(made)
    assert not made.found.error
    return made
