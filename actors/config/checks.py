"""What a value must be beyond its type.

Each check takes the value and returns it as it is kept, or raises `Unexpected` with what was expected.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from actors import secrets
from actors.evm.keccak import keccak

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
TABLE = re.compile(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?")
HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
LABEL = re.compile(r"[A-Za-z0-9_-]{1,63}")  # of a host's name
AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\[\]:]+)(:[0-9]{0,5})?")
SELECT = re.compile(r"(select|with)\b[^;]+", re.IGNORECASE)
# Tables of trueup itself, which an asset's rows would destroy.
OWN_TABLES = re.compile(r"trueup_\w+|eth_indexer_checkpoints")


class Unexpected(Exception):
    """`expected` completes "expected …, got …"; `got` replaces the value where that must not be shown."""

    def __init__(self, expected: str, got: str | None = None) -> None:
        super().__init__(expected)
        self.expected = expected
        self.got = got


def name(text: str) -> str:
    if not NAME.fullmatch(text):
        raise Unexpected("a name of letters, digits, _ . and -")
    return text


def words(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise Unexpected("a text that is not empty")
    return text


def table(text: str) -> str:
    """Lower-cased, as Postgres folds names that are not quoted."""
    folded = _folded(text)
    if OWN_TABLES.fullmatch(bare_table(folded)):
        raise Unexpected("a table of balances, not one of trueup's own")
    return folded


def lookup(text: str) -> str:
    """A table of addresses, or `wallet_balances` for its own column."""
    return bare_table(_folded(text))


def _folded(text: str) -> str:
    folded = text.lower()
    if not TABLE.fullmatch(folded):
        raise Unexpected("a table as name or schema.name")
    return folded


def bare_table(text: str) -> str:
    """One table, one text: `public` is where an unqualified name usually leads."""
    return text.removeprefix("public.")


def track(text: str) -> str:
    stripped = text.strip()
    if stripped not in ("discover", "table") and (not SELECT.fullmatch(stripped) or "\0" in stripped):
        raise Unexpected("discover, table or one SELECT of addresses without a semicolon")
    return stripped


def address(text: str) -> bytes:
    """Twenty bytes; where the text has capitals they must be its EIP-55 checksum."""
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        raise Unexpected("an address of 0x and 40 hex digits", _with_length(text))
    raw = bytes.fromhex(text[2:])
    if not any(raw):
        raise Unexpected("an address other than zero")
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and checksummed(raw) != text:
        raise Unexpected("an address with the right checksum (is a digit wrong?)")
    return raw


def checksummed(raw: bytes) -> str:
    digits = raw.hex()
    mask = keccak(digits.encode()).hex()
    return "0x" + "".join(c.upper() if int(m, 16) >= 8 else c for c, m in zip(digits, mask, strict=False))


def http_url(text: str) -> str:
    return _url(text, ("http", "https"))


def ws_url(text: str) -> str:
    return _url(text, ("ws", "wss"))


def database_url(text: str) -> str:
    """A URL or libpq's keyword form; it is a secret from here on."""
    secrets.register_database(text)
    scheme, divider, _ = text.partition("://")
    if "\0" in text:
        raise Unexpected("a postgresql:// URL", "one with a NUL")
    if divider and scheme in ("postgres", "postgresql"):
        return text
    if not divider and re.match(r"\s*\w+\s*=", text):
        return text
    raise Unexpected("a postgresql:// URL", _without_secret(text))


def token(text: str) -> str:
    if text:
        secrets.register(text)
    if not text.isascii() or not text.isprintable() or " " in text:
        raise Unexpected("a token of printable ASCII characters", "something else")
    return text


def bind(text: str) -> str:
    if text:
        split_bind(text)
    return text


def host_name(text: str) -> str:
    """Lower-cased, without a port; `*` stands for any."""
    if text != "*" and not HOST.fullmatch(text):
        raise Unexpected('a host name without a port, or "*" for any')
    return text.lower()


def split_bind(text: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[host]:port`."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\s:\[\]/@]+)):(\d{1,5})", text)
    if not match or int(match[3]) > 65535:
        raise Unexpected('host:port, [host]:port, or "" to turn it off')
    return match[1] or match[2], int(match[3])


def _url(text: str, schemes: tuple[str, str]) -> str:
    secrets.register_url(text)
    expected = (
        f"an {schemes[0]}:// or {schemes[1]}:// URL" if schemes[0] == "http" else "a ws:// or wss:// URL"
    )
    try:
        parts = urlsplit(text)
        whole = AUTHORITY.fullmatch(parts.netloc.rpartition("@")[2])  # `urlsplit` overlooks what is behind a bracket
        usable = parts.scheme in schemes and whole is not None and _is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not text.isprintable() or " " in text:
        raise Unexpected(expected, _without_secret(text))
    return text


def _is_host(name: str) -> bool:
    """Whether it can be looked up, or is an address. May raise ValueError."""
    if not name.isascii():
        import idna  # here, since its tables cost time that most names never need

        name = idna.encode(name.lower()).decode()
    return ":" in name or all(LABEL.fullmatch(label) for label in name.removesuffix(".").split("."))


def _without_secret(text: str) -> str:
    if not text:
        return "an empty text"
    scheme, divider, _ = text.partition("://")
    return f"one with {scheme}://" if divider and scheme.isalnum() else "a text without a scheme"


def _with_length(text: str) -> str | None:
    return f'"{text}" ({len(text) - 2} digits)' if re.fullmatch(r"0x[0-9a-fA-F]{0,80}", text) else None
