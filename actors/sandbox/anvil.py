"""A private chain: anvil as a direct child, and a plain JSON-RPC client that shares no code with `actors.evm`."""

from __future__ import annotations

import http.client
import itertools
import json
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from actors.errors import TrueupError
from actors.sandbox.fetch_anvil import fetch
from actors.sandbox.process import free_port, is_free, start, stop

READY_SECS = 30


class Anvil:
    """`with Anvil() as anvil: anvil.rpc("eth_blockNumber")`. Blocks are mined every `block_time` seconds, or one a transaction (0)."""

    def __init__(self, block_time: float = 0, options: Sequence[str] = (), ready_secs: float = READY_SECS) -> None:
        self.port = free_port()
        self._ready_secs = ready_secs
        self._folder = tempfile.TemporaryDirectory(prefix="trueup-anvil-")
        timing = ["--block-time", str(block_time)] if block_time else []
        self._command = [str(fetch()), "--silent", *timing, *options]
        self._process: subprocess.Popen[bytes] | None = None
        self._ids = itertools.count(1)
        self._connection: http.client.HTTPConnection | None = None
        self._lock = threading.Lock()

    @property
    def http(self) -> str:
        """Its HTTP URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws(self) -> str:
        """Its WebSocket URL."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Anvil:
        if not is_free(self.port):  # whoever listens there would be taken for ours
            self.port = free_port()
        self._process = start([*self._command, "--port", str(self.port)], Path(self._folder.name, "log"))
        deadline = time.monotonic() + self._ready_secs
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TrueupError("anvil does not start")
            time.sleep(0.02)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            stop(self._process, signal.SIGTERM)
        self._folder.cleanup()

    def _answers(self) -> bool:
        try:
            self.rpc("eth_chainId")
        except OSError:
            return False
        return True

    def send_signal(self, number: int) -> None:
        """SIGSTOP freezes the node, SIGCONT wakes it."""
        assert self._process is not None
        self._process.send_signal(number)

    def rpc(self, method: str, *params: Any) -> Any:
        """One call; raises TrueupError with the node's own words."""
        return self.batch([(method, list(params))])[0]

    def batch(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Many calls in one request, answered in order."""
        items = [{"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params} for method, params in calls]
        answers = {answer["id"]: answer for answer in self._post(json.dumps(items).encode())}
        for item in items:
            if "error" in answers[item["id"]]:
                raise TrueupError(f"{item['method']}: {answers[item['id']]['error']['message']}")
        return [answers[item["id"]]["result"] for item in items]

    def _post(self, body: bytes) -> Any:
        with self._lock:
            return self._post_alone(body)

    def _post_alone(self, body: bytes) -> Any:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            self._connection.request("POST", "/", body, {"Content-Type": "application/json"})
            return json.loads(self._connection.getresponse().read())
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self._connection = None
            raise error if isinstance(error, OSError) else OSError(str(error)) from error
