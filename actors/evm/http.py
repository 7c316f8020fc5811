"""HTTP to a node: the only module that knows which client library that is."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import httpx
import trio

from actors.errors import BadAnswer, Transient

REQUEST_SECS = 10.0
MOST_BYTES = 64 * 2**20
HEADERS = {"content-type": "application/json", "accept": "application/json"}
# httpx logs each request's URL at INFO, and the URL holds the provider's key.
logging.getLogger("httpx").setLevel(logging.WARNING)


class HttpClient:
    """One client for all endpoints. `post` is bounded in time and size; no error of it names the URL."""

    def __init__(self) -> None:
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=20)
        self._client = httpx.AsyncClient(headers=HEADERS, limits=limits, timeout=REQUEST_SECS, follow_redirects=False)

    async def __aenter__(self) -> HttpClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        with trio.move_on_after(2, shield=True):
            await self._client.aclose()

    async def post(self, url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body. Raises Transient or BadAnswer."""
        try:
            with trio.fail_after(REQUEST_SECS):
                return await self._post(url, body)
        except trio.TooSlowError:
            raise Transient(f"no answer within {REQUEST_SECS:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            raise Transient(f"not reached: {type(error).__name__}") from None

    async def _post(self, url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        async with self._client.stream("POST", url, content=body) as response:
            parts, size = [], 0
            async for part in response.aiter_bytes():
                size += len(part)
                if size > MOST_BYTES:
                    raise BadAnswer(f"the answer is larger than {MOST_BYTES} bytes")
                parts.append(part)
            return response.status_code, response.headers, b"".join(parts)
