"""The whole system over the simulated outside, in virtual time and under traffic, whose config file is changed meanwhile.

The judge looks at every transaction, and at the end at every row.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from actors.budget.spender import spender
from actors.config import Config, load
from actors.config.changes import Changes, changes
from actors.evm.ws import Wire
from actors.store import checkpoint
from actors.system import System
from actors.tuning import Tuning
from tests.simulation.chain import MULTICALL3, TOKEN, Chain, config_toml, random_changes, wallet_of
from tests.simulation.judge import TABLE, Judge
from tests.simulation.postgres import Connection, Host, Postgres
from tests.simulation.provider import Provider
from tests.simulation.tables import PLACEHOLDER, Row, Tables
from tests.simulation.tables_contents import Asset, Entry
from tests.simulation.trace import Trace

PATIENCE_SECS = 5000
BLOCK_SECS = 2.0
KEYS: dict[str, Any] = {
    "database.url": "postgresql://simulated",
    "server.bind": "",
    "sweeper.interval_secs": 5,
    "sweeper.batch_size": 20,
    "supervisor.max_restarts": 1000,
    "supervisor.backoff_initial_secs": 0.05,
    "chain.confirm_secs": 6,
}
LEDGER = {"ledger.enabled": True, "ledger.address_from": ["user_wallet_addresses"], "ledger.interval_secs": 3, "ledger.lease_secs": 9}
AUDIT = {"audit.rows_a_minute": 60}


def toml(keys: Mapping[str, Any], sockets: int) -> str:
    """A config file with these keys, by their dotted names."""
    lines: dict[str, list[str]] = defaultdict(list)
    for name, value in keys.items():
        table, _, key = name.partition(".")
        lines[table].append(f"{key} = {json.dumps(value)}")
    tables = [f"[{table}]\n" + "\n".join(own) for table, own in lines.items() if table not in ("chain", "asset")]
    return "\n".join(tables) + config_toml(["http://a.sim"], ["ws://a.sim"] * sockets, *("\n".join(lines[kind]) for kind in ("chain", "asset")))


def rung_of(params: list[Any]) -> str:
    """Which rung an `eth_call` belongs to."""
    if len(params) > 2:
        return "packed"
    if "to" not in params[0]:
        return "deployless"
    return "multicall3" if bytes.fromhex(params[0]["to"][2:]) == MULTICALL3 else "single"


class Call:
    """A call that came to the node."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self.at, self.method, self.params = trio.current_time(), asked["method"], asked.get("params") or []


class _Heard:
    """A socket, and what is said to it."""

    def __init__(self, wire: Wire, said: list[Call]) -> None:
        self._wire, self._said = wire, said
        self.get_message, self.ping = wire.get_message, wire.ping

    async def send_message(self, message: str) -> None:
        """As the wire's."""
        self._said.append(Call(json.loads(message)))
        await self._wire.send_message(message)


class Scene:
    """See the module. `keys` are the config's, beside or instead of `KEYS`."""

    def __init__(self, folder: Path, keys: Mapping[str, Any] | None = None, wallets: int = 60, sockets: int = 1, seed: int = 0) -> None:
        self.rng = random.Random(seed)
        self.wallets = [wallet_of(index) for index in range(wallets)]
        self.chain = Chain(random.Random(seed), self.wallets, number=1000)
        self.provider = Provider(self.chain, random.Random(seed), ["a"])
        self.node = self.provider.nodes["a"]
        self.tables = Tables(trio.current_time)
        self.judge = Judge(self.chain, self.tables, self.provider.withheld)
        self.tables.observers.append(self.judge)
        self.postgres, self.host = Postgres(self.tables, random.Random(seed), Trace()), Host("p")
        self.postgres.on_unit = self._on_unit
        self.units: list[tuple[float, str, tuple[Any, ...]]] = []
        for wallet in self.wallets:
            self.tables.rows(TABLE)[wallet] = Row(0, None, None, PLACEHOLDER)
        self.path, self._keys, self._sockets = folder / "trueup.toml", {**KEYS, **(keys or {})}, sockets
        if self._keys.get("ledger.enabled"):
            self._fill_ledger()
        self.write({})
        self.calls: list[Call] = []
        self.said: list[Call] = []
        self.flying = self.most_flying = 0
        self.busy, self.block_secs = True, BLOCK_SECS

    def _fill_ledger(self) -> None:
        self.tables.ledger_chains["1"] = ("sim", None)
        self.tables.ledger_assets |= {"native": Asset("1", None), "token": Asset("1", "0x" + TOKEN.hex(), 6)}
        for at, wallet in enumerate(self.wallets[:40]):
            self.tables.ledger[f"{at:03}"] = Entry(("native", "token")[at % 2], ("0x" + wallet.hex(), True, True))

    def _on_unit(self, fn: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.units.append((trio.current_time(), fn.__name__, args))
        if fn is checkpoint.create and isinstance(args[2], int):
            self.judge.created(args[2])

    # The config file.

    def write(self, keys: Mapping[str, Any]) -> None:
        """Change keys of the file."""
        self._keys |= keys
        self.path.write_text(toml(self._keys, self._sockets))

    def read(self) -> Config:
        """The file as it is now."""
        return load(self.path, {})

    def tune(self, keys: Mapping[str, Any]) -> Changes:
        """Change keys of the file, and have it taken, as at SIGHUP; what that changed."""
        self.write(keys)
        found = changes(self.system.config, self.read())
        self.reload()
        assert self.system.view.config.error is None
        return found

    def reload(self) -> None:
        """As at SIGHUP, but for the thread: virtual time would not wait for it."""
        self.tuning.settle(self.tuning.attempt())

    # The way to the node.

    async def post(self, url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """As `HttpClient.post`."""
        asked = json.loads(body)
        came = [Call(each) for each in (asked if isinstance(asked, list) else [asked])]
        self.calls += came
        reads = spender().actor in ("batcher", "sweeper") and any(call.method == "eth_call" for call in came)
        self.flying += reads
        self.most_flying = max(self.most_flying, self.flying)
        try:
            return await self.provider.post(url, body)
        finally:
            self.flying -= reads

    @asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[Wire]:
        """As `ws.connect`."""
        async with self.provider.connect(url) as wire:
            yield _Heard(wire, self.said)

    def subscribed(self, since: float = 0.0) -> list[str]:
        """What was subscribed to since a moment."""
        return [call.params[0] for call in self.said if call.method == "eth_subscribe" and call.at >= since]

    def asked(self, method: str, since: float = 0.0) -> list[Call]:
        """Calls of a method that came since a moment."""
        return [call for call in self.calls if call.method == method and call.at >= since]

    def ran(self, name: str, since: float = 0.0) -> list[tuple[float, tuple[Any, ...]]]:
        """Units of work of a name that Postgres did since a moment, with their arguments."""
        return [(at, args) for at, unit, args in self.units if unit == name and at >= since]

    # The chain.

    async def traffic(self) -> None:
        """Blocks with whatever happens in them, while the scene is busy."""
        while self.busy:
            await trio.sleep(self.block_secs * self.rng.uniform(0.5, 1.5))
            self.chain.mine(random_changes(self.rng, self.wallets), int(trio.current_time()))

    def behind(self) -> int:
        """How many blocks the checkpoint is behind the head."""
        marks = self.tables.checkpoints.get("sim_transfers")
        return self.chain.head.number - (self.chain.genesis.number if marks is None else marks.last_block)

    def crashes(self) -> Counter[str]:
        """How often each actor was started again, and not because somebody killed it."""
        return Counter(each.actor for each in self.system.view.restarts if each.cause != "kill")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[System]:
        """The service under traffic; at the end the traffic does, everything becomes true, and the service stops cleanly."""
        way = lambda url, name: Connection(self.postgres, self.host, name)  # noqa: E731
        self.system = System(self.read(), self, self.connect, way, holder="p")
        self.tuning = Tuning(self.system, self.read)
        self.stop, self.busy = trio.Event(), True
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.system.run, self.system.service(), self.stop.wait)
            nursery.start_soon(self.traffic)
            await trio.sleep(10)
            yield self.system
            self.busy = False
            await self.becomes_true()
            self.stop.set()
        assert self.judge.broken is None
        assert self.judge.ledger_left() is None

    async def becomes_true(self) -> None:
        """Every touched wallet's row is what the chain says, and the checkpoint is at the head."""
        with trio.move_on_after(PATIENCE_SECS):
            while not self.judge.is_true():
                assert self.judge.broken is None, self.judge.broken
                await trio.sleep(1)
            return
        raise AssertionError(f"not true: {self.judge.falsehood() or self.judge.ledger_falsehood()}, {self.behind()} blocks behind")
