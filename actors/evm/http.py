"""HTTP to a node: the only module that knows which client library that is."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Mapping

import httpcore
import httpx
import trio

from actors.errors import BadAnswer, Transient
from actors.evm import tls

REQUEST_SECS = 10.0
MOST_BYTES = 64 * 2**20
HEADERS = {"content-type": "application/json", "accept": "application/json", "accept-encoding": "gzip"}
MOST_COOKIES = 50  # a load balancer's are a few; who sets another one each time would fill the memory
# httpcore takes 64 KB of an answer at a time, through five layers each: of a megabyte that is most of what reading it costs.
httpcore.AsyncHTTP11Connection.READ_NUM_BYTES = 2**18
# httpx logs each request's URL at INFO, and the URL holds the provider's key.
logging.getLogger("httpx").setLevel(logging.WARNING)


class HttpClient:
    """One client for all endpoints. `post` is bounded in time and size; no error of it names the URL. `tls` is what it trusts; `ca_file` adds
    private authorities to that.
    """

    def __init__(self, ca_file: str = "") -> None:
        self.tls = tls.trusting(ca_file)
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=20)
        self._client = httpx.AsyncClient(headers=HEADERS, limits=limits, timeout=REQUEST_SECS, follow_redirects=False, verify=self.tls)

    async def __aenter__(self) -> HttpClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        with trio.move_on_after(2, shield=True):
            await self._client.aclose()

    async def post(self, url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body. Raises Transient or BadAnswer."""
        try:
            with tls.refusals() as refused, trio.fail_after(REQUEST_SECS):
                return await self._post(url, body)
        except trio.TooSlowError:
            raise Transient(f"no answer within {REQUEST_SECS:.0f} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            raise Transient(f"not reached: {refused[0] if refused else type(error).__name__}") from None

    async def _post(self, url: str, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
        async with self._client.stream("POST", url, content=body) as response:
            found = _Body(response.headers.get("content-encoding", ""))
            async for part in response.aiter_raw():
                found.add(part)
            if len(self._client.cookies.jar) > MOST_COOKIES:
                self._client.cookies.clear()
            return response.status_code, response.headers, b"".join(found.parts)


class _Body:
    """A body as it comes, unpacked where it is gzip. httpx's own way has no bound: of a few kilobytes that were packed twice it makes gigabytes
    before anyone can count them.
    """

    def __init__(self, encoding: str) -> None:
        if encoding.strip().lower() not in ("", "identity", "gzip"):
            raise BadAnswer("answered in an encoding that was not asked for")
        self._gzip = zlib.decompressobj(zlib.MAX_WBITS | 16) if "gzip" in encoding.lower() else None
        self._received = self._size = 0
        self.parts: list[bytes] = []

    def add(self, part: bytes) -> None:
        """Take what has come. Raises BadAnswer where that is too much, or is not what it says that it is."""
        self._received += len(part)
        if self._gzip is not None:
            try:
                part = self._gzip.decompress(part, MOST_BYTES - self._size + 1)
            except zlib.error:
                raise BadAnswer("answered what is no gzip") from None
        self._size += len(part)
        if max(self._received, self._size) > MOST_BYTES:
            raise BadAnswer(f"the answer is larger than {MOST_BYTES} bytes")
        self.parts.append(part)
