"""Distinct secrets, each known by the place where it was planted, and a look for them in whatever came out."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Iterator
from urllib.parse import quote

from actors.config import checks
from actors.config.keys import ARRAYS, TABLES, keys_of

PART = 12


class Garden:
    """`planted`: the secrets by their places."""

    def __init__(self) -> None:
        self.planted: dict[str, str] = {}

    def secret(self, place: str) -> str:
        """A new one; it has a sign that URLs escape, and one that JSON does."""
        digest = hashlib.sha256(place.encode()).hexdigest()
        self.planted[place] = f"{digest[:14]}@{digest[14:20]}'{digest[20:28]}"
        return self.planted[place]

    def url(self, place: str, scheme: str, authority: str) -> str:
        """A URL with a secret in each of its parts."""
        user, password, path, query, fragment = (
            quote(self.secret(f"{place} {part}"), safe="") for part in ("user", "password", "path", "query", "fragment")
        )
        return f"{scheme}://{user}:{password}@{authority}/{path}/v2?apikey={query}#{fragment}"

    def database(self, place: str, url: str) -> str:
        """The URL with passwords."""
        password, ssl = (quote(self.secret(f"{place} {part}"), safe="") for part in ("password", "sslpassword"))
        return url.replace("@", f":{password}@", 1) + f"?sslpassword={ssl}"

    def told(self) -> str:
        """As a provider or a database repeats them in its errors: as they are, escaped, encoded and cut short."""
        return " ".join(form for value in self.planted.values() for form in (*forms(value), value[:20] + "…", "…" + value[9:]))

    def found_in(self, text: str) -> list[str]:
        """The places whose secrets are in a text, in any form or in a part of it that is long enough to tell."""
        return [place for place, value in self.planted.items() if any(form in text for form in (*forms(value), *parts(value)))]


def forms(value: str) -> Iterator[str]:
    yield from (value, quote(value, safe=""), quote(value, safe="").lower(), json.dumps(value)[1:-1], repr(value)[1:-1])
    yield b64encode(value.encode()).decode().rstrip("=")


def parts(value: str) -> Iterator[str]:
    yield from (value[at : at + PART] for at in range(len(value) - PART + 1))


def secret_keys() -> dict[str, object]:
    """Every key that can hold a secret, `chain.http`, and how it is checked: that tells what kind of secret it is."""
    tables = {**TABLES, **ARRAYS}
    return {f"{name}.{key}": each.metadata["check"] for name, table in tables.items() for key, each in keys_of(table).items() if each.metadata["secret"]}


KINDS = {checks.database_url: "database", checks.http_url: "http", checks.ws_url: "ws", checks.token: "token"}
