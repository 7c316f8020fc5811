"""A real service, as its operator runs it, on a real chain behind two endpoints that can misbehave and on a Postgres of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import trio

from actors.evm.keccak import keccak
from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.process import free_port
from actors.sandbox.town import Town, arg
from tests.proxy import Fault, Proxy, open_proxy
from tests.proxy_world import world_behind
from tests.world import PATIENCE_SECS, World

TOKEN = "a-token-of-chaos"
CAP = 1_000_000_000
CHAIN = f"confirm_secs = 0.5\npoll_interval_secs = 0.3\nstall_secs = 1\ncompute_units_per_month = {CAP}\n"
EXTRA = f'[chaos]\nenabled = true\ntoken = "{TOKEN}"'
SLIP = "UPDATE eth_wallet_balances SET balance = 7 WHERE wallet = (SELECT min(wallet) FROM eth_wallet_balances WHERE read_block > 0) RETURNING wallet"
ANSWER_SECS = 30
REVERTS = 1  # a mode of the contract `Weird`


class Proxies:
    """Two proxies in front of a node, in a loop of their own: the browser's tests have none."""

    def __init__(self, node: Anvil) -> None:
        self._node = node
        self.all: list[Proxy] = []
        self._ready, self._thread = threading.Event(), threading.Thread(target=trio.run, args=(self._serve,), daemon=True)

    async def _serve(self) -> None:
        self._token, self._end = trio.lowlevel.current_trio_token(), trio.Event()
        async with AsyncExitStack() as stack:
            self.all = [await stack.enter_async_context(open_proxy(self._node)) for _ in range(2)]
            self._ready.set()
            await self._end.wait()

    def __enter__(self) -> Proxies:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *exc: object) -> None:
        self._token.run_sync_soon(self._end.set)
        self._thread.join(10)

    def do(self, step: Callable[..., Any], *args: Any) -> None:
        """A step in the proxies' loop."""
        trio.from_thread.run_sync(step, *args, trio_token=self._token)

    def cut(self, proxy: Proxy) -> None:
        """End its sockets in the middle of a message."""
        trio.from_thread.run(proxy.cut, trio_token=self._token)

    @contextmanager
    def fault(self, *faults: tuple[Proxy, Fault]) -> Iterator[None]:
        """Misbehave so inside the block."""
        for proxy, fault in faults:
            self.do(proxy.add, fault)
        try:
            yield
        finally:
            for proxy, fault in faults:
                self.do(proxy.remove, fault)


class Plant:
    """All of it. `service` is the process of `trueup run`."""

    def __init__(self, folder: Path, server: PrivatePostgres, node: Anvil, proxies: Proxies) -> None:
        self.server, self.node, self.proxies = server, node, proxies
        self.town = Town(node, wallets=20)
        toml = {"interval": 0.5, "batch": 50, "chain": CHAIN, "extra": EXTRA}
        self.world: World = world_behind(folder, server.fresh("plant"), self.town, *proxies.all, **toml)
        self.url = f"http://127.0.0.1:{free_port()}"
        text = self.world.path.read_text().replace('bind = ""', f'bind = "{self.url[7:]}"')
        weird = f'  {{ contract = "{self.town.weird}", call = "balanceOf(address)" }},\n]\ntriggers'
        self.world.path.write_text(text.replace("]\ntriggers", weird))
        self.world.reload()
        self.log = folder / "log"
        self.service: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run the service."""
        with self.log.open("ab") as out:
            command = [sys.executable, "-m", "actors", "run", "-c", str(self.world.path)]
            self.service = subprocess.Popen(command, stdout=out, stderr=out)

    def wait_until_it_answers(self) -> None:
        """The server has its port."""
        deadline = time.monotonic() + PATIENCE_SECS
        while self.service is not None and self.service.poll() is None and time.monotonic() < deadline:
            try:
                urllib.request.urlopen(self.url + "/healthz", timeout=ANSWER_SECS).close()
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"the service does not answer: {self.log.read_text()[-2000:]}")

    @contextmanager
    def other_config(self, *changes: tuple[str, str]) -> Iterator[None]:
        """The service runs with another config inside the block: each first text is the second one."""
        before = other = self.world.path.read_text()
        for old, new in changes:
            assert other.count(old) == 1
            other = other.replace(old, new)
        try:
            self._start_with(other)
            yield
        finally:
            self._start_with(before)

    def _start_with(self, config: str) -> None:
        self.kill()
        self.world.path.write_text(config)
        self.world.reload()  # which also makes tables that it needs
        self.start()
        self.wait_until_it_answers()

    def spoil_until_it_is_mended(self) -> str:
        """A slip of the hand in one row, again where a sweep has written over it before the audit saw it. Gives the wallet."""
        deadline = time.monotonic() + PATIENCE_SECS
        while time.monotonic() < deadline:
            found = self.world.query(SLIP)
            time.sleep(0.5)
            if found and (self.status()["assets"][0]["audit"] or {}).get("mended"):
                return str(found[0][0])
        raise AssertionError(self.status()["assets"])

    def status(self) -> dict[str, Any]:
        """What it says of itself, sooner or later."""
        deadline = time.monotonic() + PATIENCE_SECS
        while True:
            try:
                with urllib.request.urlopen(self.url + "/api/status", timeout=ANSWER_SECS) as answer:
                    return dict(json.load(answer))
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def kill(self) -> None:
        """End it as a crash of the machine would."""
        if self.service is not None:
            self.service.kill()
            self.service.wait()
            self.service = None

    def break_wallet(self, wallet: bytes, mode: int) -> None:
        """From now on one of the wallet's sources fails in some way; 0: it does not."""
        slot = "0x" + keccak(bytes(12) + wallet + bytes(32)).hex()
        self.node.rpc("anvil_setStorageAt", self.town.weird, slot, "0x" + arg(mode))
        for _ in range(4):  # a sweep reads behind the head
            self.town.mine()

    def touch(self) -> None:
        """Something happens on the chain, and is pushed."""
        self.town.traffic(4)
        self.town.mine()


@contextmanager
def running_plant(folder: Path) -> Iterator[Plant]:
    """Up and running, and gone in the end."""
    with PrivatePostgres() as server, Anvil() as node, Proxies(node) as proxies:
        plant = Plant(folder, server, node, proxies)
        try:
            plant.start()
            yield plant
        finally:
            plant.kill()
