"""A bearer token, compared in constant time, and guessed at no more than so many times a minute, by all clients together.

Beyond that the right token is refused as well: whoever could still try would only have to go on.
"""

from __future__ import annotations

import hmac
import math
from collections import deque
from hashlib import sha256

TRIES = 10
WITHIN_SECS = 60.0


class Bearer:
    """`token` "": nothing is right."""

    def __init__(self, token: str) -> None:
        self._digest = sha256(token.encode()).digest() if token else None
        self._wrong: deque[float] = deque(maxlen=TRIES)

    def wait_secs(self, now: float) -> int:
        """How long until the next try; 0: now."""
        if len(self._wrong) < TRIES or now - self._wrong[0] >= WITHIN_SECS:
            return 0
        return math.ceil(WITHIN_SECS - (now - self._wrong[0]))

    def is_right(self, authorization: str, now: float) -> bool:
        """Whether an `Authorization` header has the token. Digests are compared: they are of one length, whatever was given."""
        scheme, _, given = authorization.partition(" ")
        same = hmac.compare_digest(sha256(given.strip().encode()).digest(), self._digest or bytes(32))
        if same and self._digest is not None and scheme.lower() == "bearer":
            return True
        self._wrong.append(now)
        return False
