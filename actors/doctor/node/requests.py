"""How large a request may be, how many calls a batch may hold, and how many calls may be under way at once."""

from __future__ import annotations

import trio

from actors.doctor.node.probe import Probe
from actors.doctor.node.search import Found, Search
from actors.errors import NodeError, Throttled
from actors.evm import jsonrpc
from actors.evm.jsonrpc import BATCH_AT_ONCE

ASKED = "eth_chainId"
HEAD, TAIL = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId",', b'"params":[]}'
KIB, MIB = 2**10, 2**20
FIRST_BODY, MOST_BODY = 4 * KIB, 8 * MIB  # more than the largest call that the service makes
MOST_SENT = 64 * MIB
ENOUGH = f"not known more exactly after {MOST_SENT // MIB} MiB"
LIKELY_BODY = (100_000, 128 * KIB, 256 * KIB, 500_000, 512 * KIB, 10**6, MIB, 2 * 10**6, 2 * MIB, 2_500_000, 5 * MIB // 2, 3 * MIB, 4 * MIB, 5 * 10**6, 5 * MIB)
MOST_BATCH = BATCH_AT_ONCE + 28  # the service's batches hold no more than the first number
LIKELY_BATCH = (5, 10, 20, 25, 30, 50, 100)
MOST_AT_ONCE = 16


async def body_bytes(probe: Probe) -> Found:
    """A small question in a large body: spaces are JSON, cost nothing but their transport, and make any size exactly."""

    async def ask(size: int) -> None:
        body = HEAD + b" " * (size - len(HEAD) - len(TAIL)) + TAIL
        jsonrpc.result(await probe.endpoint.raw(body, [ASKED]), 1, ASKED)

    search = Search(MOST_BODY, FIRST_BODY, len(HEAD) + len(TAIL), LIKELY_BODY)
    most = probe.sent_bytes + MOST_SENT
    return await probe.search("body", search, ask, enough=lambda: ENOUGH if probe.sent_bytes > most else "")


async def batch_items(probe: Probe) -> Found:
    """A batch that is not answered whole is refused, whoever of its items says so."""

    async def ask(size: int) -> None:
        numbers = list(range(1, size + 1))
        body = jsonrpc.encode([jsonrpc.request(number, ASKED, []) for number in numbers])
        answers = jsonrpc.results(await probe.endpoint.raw(body, [ASKED] * size), numbers, [ASKED] * size)
        for error in answers:
            if isinstance(error, NodeError):
                raise error

    return await probe.search("batch", Search(MOST_BATCH, likely=LIKELY_BATCH), ask)


async def in_flight(probe: Probe) -> int:
    """How many of `calls_in_flight` calls at once were not refused for being too many."""
    probe.show("calls at once")
    count, throttled = min(MOST_AT_ONCE, probe.chain.calls_in_flight), 0

    async def ask() -> None:
        nonlocal throttled
        try:
            await probe.endpoint.call("eth_blockNumber", [])
        except Throttled:
            throttled += 1
        except NodeError:
            pass  # says nothing about how many

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(ask)
    return count - throttled
