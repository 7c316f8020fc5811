"""One request to a running service, over the standard library alone: what `status`, `top` and `kill` stand on."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from http.client import HTTPException
from typing import Any

from actors import secrets
from actors.errors import ConfigError, TrueupError

TIMEOUT_SECS = 10
MOST_BYTES = 64 * 2**20


class Unreachable(TrueupError):
    """No service answers there."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect could carry the token to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def ask(url: str, path: str, token: str | None = None, post: bool = False) -> tuple[int, Any]:
    """The status, and the body as JSON (None where it is not)."""
    check_url(url)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    # The service is on this machine or in the same network: no proxy of the environment belongs in between.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect())
    try:
        request = urllib.request.Request(
            url.rstrip("/") + path, b"" if post else None, headers, method="POST" if post else "GET"
        )
        with opener.open(request, timeout=TIMEOUT_SECS) as answer:
            return answer.status, _json(answer.read(MOST_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _json(error.read(MOST_BYTES))
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise Unreachable(f"no service at {url}: {getattr(reason, 'strerror', None) or reason}") from None


def check_url(url: str) -> None:
    """Whatever is secret in it is masked from now on. Raises ConfigError."""
    if not re.match(r"https?://[^/\s]+", url):
        raise ConfigError(f"--url: expected an http:// or https:// URL, got {url}")
    secrets.register_url(url)


def said(body: Any) -> str:
    """What the service gave as its reason, to be put after a sentence."""
    reason = body.get("error") if isinstance(body, dict) else None
    return f": {reason}" if isinstance(reason, str) else ""


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
