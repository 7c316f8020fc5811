"""systemd's notification protocol, in the few lines that it takes: datagrams of `NAME=value` lines to the socket that the environment names.

Where `NOTIFY_SOCKET` is not set nothing is sent, and a reader that is away or slow is no concern of the service.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Notify:
    """`address` of the reader's socket; None: nobody reads. `watchdog_secs`: it expects `WATCHDOG=1` at least this often; None: it does not."""

    address: str | None = None
    watchdog_secs: float | None = None

    def tell(self, **fields: str) -> None:
        """One datagram, without waiting: `tell(READY="1", STATUS="all true")`. `WATCHDOG` is left out where nobody waits for it."""
        if self.watchdog_secs is None:
            fields.pop("WATCHDOG", None)
        if self.address is None or not fields:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as sender:
                sender.sendto(message(fields), self.address)
        except OSError:
            return


def of(env: Mapping[str, str], own_pids: Callable[[], tuple[int, ...]] = lambda: (os.getpid(), os.getppid())) -> Notify:
    """What the environment says. The watchdog is ours where it names our process or its parent, which the one-file executable's loader is."""
    named = env.get("NOTIFY_SOCKET", "")
    if not named.startswith(("/", "@")):
        return Notify()
    meant = env.get("WATCHDOG_PID", "")
    ours = not meant or (meant.isdecimal() and int(meant) in own_pids())
    micros = env.get("WATCHDOG_USEC", "")
    secs = int(micros) / 1e6 if ours and micros.isdecimal() and int(micros) > 0 else None
    # A name that begins with @ is in Linux' abstract namespace, whose names begin with a zero byte.
    return Notify("\0" + named[1:] if named.startswith("@") else named, secs)


def message(fields: Mapping[str, str]) -> bytes:
    """A value is one line: a newline in it would begin another field."""
    return "\n".join(f"{name}={' '.join(value.split())}" for name, value in fields.items()).encode()
