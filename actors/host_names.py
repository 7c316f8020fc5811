"""Which host names the server answers to. A browser that was led here by a name of somebody else's (DNS rebinding) says that name, and would
show our answers to that somebody's page; so a name that is neither this machine's nor the operator's is refused, whatever address we listen on.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

ANY = "*"


class HostNames:
    """The names of a server that listens on `host`; `more`: the operator's, lower-case, `*` for whatever there is."""

    def __init__(self, host: str, more: Sequence[str] = ()) -> None:
        self._any = ANY in more
        self._open = not is_loopback(host)
        own = [socket.gethostname().lower()] if self._open else []
        self._names = {host.lower(), "localhost", *own, *more}

    def knows(self, header: str | None) -> bool:
        """Whether a request with this `Host` is answered. Whoever sends none is no browser."""
        if header is None or self._any:
            return True
        try:
            name = (urlsplit(f"//{header}").hostname or "").removesuffix(".")
        except ValueError:
            return False
        # A bare address is nobody's name: no page can have led here by it.
        return name in self._names or is_loopback(name) or (self._open and _is_address(name))


def is_loopback(name: str) -> bool:
    """Whether a host is this machine alone."""
    if name.lower() == "localhost":
        return True
    return _is_address(name) and ipaddress.ip_address(name).is_loopback


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
