"""The weather of a history: episodes in which something is wrong with a node or with Postgres, drawn from the seed."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import trio

from tests.simulation.chain import Block, Chain, random_changes
from tests.simulation.faults import WORDINGS, Faults
from tests.simulation.postgres import Postgres
from tests.simulation.provider import Node, Provider

DEFAULTS = {one.name: one.default for one in fields(Faults)}
HEADS = {"sits_on", "balancer"}  # put a node's head aside
Flags = dict[str, Any]


def stale_tip(chain: Chain, rng: random.Random, wallets: list[bytes]) -> Block:
    """The tip of a branch that never was canonical, or is no more."""
    depth = rng.randint(1, 6)
    tip = chain.head.at(max(chain.genesis.number, chain.head.number - depth)) or chain.genesis
    for _ in range(rng.randint(1, depth + 3)):
        tip = chain.extend(tip, random_changes(rng, wallets), tip.timestamp + 2)
    return tip


def _rate(rng: random.Random) -> float:
    return rng.choice((0.05, 0.3, 1.0))


# Each draws the flags of one kind of episode.
NODE_EPISODES: list[Callable[[random.Random], Flags]] = [
    lambda rng: {"down": True},
    lambda rng: {"slow": _rate(rng), "slow_secs": rng.choice((1.0, 4.0, 12.0))},
    lambda rng: {"failing_status": _rate(rng), "status": rng.choice((500, 502, 503))},
    lambda rng: {"throttle": _rate(rng), "retry_after": rng.choice((None, "1", "6"))},
    lambda rng: {"limit_in_200": _rate(rng)},
    lambda rng: {"html": _rate(rng)},
    lambda rng: {"half_json": _rate(rng)},
    lambda rng: {"other_id": _rate(rng)},
    lambda rng: {"no_batches": True},
    lambda rng: {"body_limit": rng.choice((8_000, 30_000))},
    lambda rng: {"response_limit": rng.choice((6_000, 20_000))},
    lambda rng: {"lag": rng.randint(1, 6), "range_errors": rng.random() < 0.5},
    lambda rng: {"balancer": True, "other_lag": rng.randint(1, 6)},
    lambda rng: {"ignores_tag": True},
    lambda rng: {"max_sub_calls": rng.choice((8, 20, 60))},
    lambda rng: {rng.choice(("no_overrides", "refuses_overrides")): True, "no_deploys": rng.random() < 0.5},
    lambda rng: {"gas_cap": rng.choice((100_000, 200_000, 400_000))},
    lambda rng: {"max_range": rng.randint(1, 12), "wording": rng.choice(sorted(WORDINGS))},
    lambda rng: {"max_results": rng.randint(4, 12), "wording": rng.choice(sorted(WORDINGS))},
    lambda rng: {"cuts_page": rng.randint(0, 3)},
    lambda rng: {"omits_logs": rng.choice((0.1, 0.6))},
    lambda rng: {"ws_refuses": True},
    lambda rng: {"ws_silent": True},
    lambda rng: {"ws_deaf": True},
    lambda rng: {"ws_drops": _rate(rng)},
    lambda rng: {"ws_repeats": _rate(rng), "ws_reorders": _rate(rng)},
    lambda rng: {"ws_cuts": 0.3},
    lambda rng: {"ws_half": 0.3},
    lambda rng: {"omits_removed": True},
]
POSTGRES_EPISODES: list[Callable[[random.Random], Flags]] = [
    lambda rng: {"down": True},
    lambda rng: {"drops": 0.2},
    lambda rng: {"loses_answers": 0.3},
    lambda rng: {"slow": rng.choice((0.05, 0.3))},
]


class Weather:
    """Makes episodes until it is cancelled. `episodes` counts them."""

    def __init__(self, provider: Provider, postgres: Postgres, chain: Chain, wallets: list[bytes], rng: random.Random) -> None:
        self._provider, self._postgres, self._chain, self._wallets, self._rng = provider, postgres, chain, wallets, rng
        self.episodes = 0
        self.on_stale_tip: Callable[[], object] = lambda: None

    async def storm(self, every_secs: float) -> None:
        """Episodes that begin every so often, and overlap."""
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(self._rng.expovariate(1 / every_secs))
                self.episodes += 1
                nursery.start_soon(self._episode)

    async def _episode(self) -> None:
        rng = self._rng
        secs = rng.expovariate(1 / 15) + 1
        if rng.random() < 0.15:
            await self._for_a_while(self._postgres, rng.choice(POSTGRES_EPISODES)(rng), secs)
            return
        node = self._provider.nodes[rng.choice(sorted(self._provider.nodes))]
        flags = rng.choice(NODE_EPISODES)(rng)
        if "lag" in flags and rng.random() < 0.5:
            secs += 60
        if rng.random() < 0.12:
            other = "other_sits_on" if rng.random() < 0.4 else "sits_on"
            flags = {other: stale_tip(self._chain, rng, self._wallets), "balancer": other == "other_sits_on"}
            self.on_stale_tip()
        self._provider.trace("episode", node.name, flags)
        await self._for_a_while(node.faults, flags, secs)

    async def _for_a_while(self, target: Faults | Postgres, flags: Flags, secs: float) -> None:
        self._change(target, flags)
        await trio.sleep(secs)
        self._change(target, {name: DEFAULTS.get(name, 0.0) for name in flags})

    def _change(self, target: Faults | Postgres, flags: Flags) -> None:
        for name, value in flags.items():
            setattr(target, name, value)
        if isinstance(target, Faults) and not flags.keys().isdisjoint(HEADS):
            target.fell_back_at = trio.current_time()
        self._provider.moved()

    def node_stays_behind(self, node: Node, tip: Block) -> None:
        """A node that does not follow a reorg, until it is healed by `clear` or by another episode's end."""
        node.faults.sits_on, node.faults.fell_back_at = tip, trio.current_time()
        self.on_stale_tip()
