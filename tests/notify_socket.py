"""The other end of systemd's notification protocol: what a process says to it."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path


class NotifySocket:
    """`with NotifySocket() as reader: …` Give `reader.name` as NOTIFY_SOCKET; `reader.messages` are what came, each as a dict."""

    def __init__(self, abstract: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="notify-")
        path = str(Path(self._folder.name, "socket"))
        self.name = f"@{path}" if abstract else path
        self.messages: list[dict[str, str]] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + path if abstract else path)

    def __enter__(self) -> NotifySocket:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()
        self._folder.cleanup()

    def read(self) -> list[dict[str, str]]:
        """What has come by now."""
        self._socket.setblocking(False)
        while True:
            try:
                text = self._socket.recv(4096).decode()
            except BlockingIOError:
                return self.messages
            self.messages.append(dict(line.split("=", 1) for line in text.split("\n")))

    def wait_for(self, what: Callable[[dict[str, str]], bool], secs: float = 60) -> dict[str, str]:
        """The first message, of those that came and that will come, of which it holds."""
        deadline = time.monotonic() + secs
        while time.monotonic() < deadline:
            if (found := next(filter(what, self.read()), None)) is not None:
                return found
            time.sleep(0.01)
        raise AssertionError(f"nothing such was said, but {self.messages}")
