"""What must never be shown: `register` it once, and `mask` takes it out of any text that leaves the program.

URLs keep `scheme://host`, the rest is `***`. A short secret is masked only where it is a word of its own, so
that a password such as `test` does not hide half of every log line; below four characters only in its URL. Of a
long one, parts are masked too: whoever repeats it may have cut it short.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from urllib.parse import parse_qsl, quote, unquote, urlsplit

HIDDEN = "***"
ALONE_BELOW = 8
NEVER_BELOW = 4
PARTS_FROM = 16
PART = 12  # as many characters of such a one, anywhere
_USERINFO = re.compile(r"(?<=://)[^\s/@]+@")
_KEYWORD_PASSWORD = re.compile(r"\b((?:ssl)?password)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']+)")
# Path segments that name a network or a protocol: as secrets they would hide ordinary words.
_PUBLIC = {
    *(
        "arbitrum",
        "archive",
        "base",
        "ethereum",
        "gnosis",
        "holesky",
        "http",
        "https",
        "jsonrpc",
        "localhost",
    ),
    *("mainnet", "optimism", "polygon", "public", "sepolia", "testnet"),
}
_shown: dict[str, str] = {}
_long: set[str] = set()


def register(value: str, shown: str = HIDDEN) -> None:
    """From now on `mask` replaces `value`, and the ways in which it may be quoted or escaped, by `shown`."""
    plain = unquote(value)
    quoted = quote(value, safe="", errors="replace")
    written = (quoted, *(form for each in (value, plain) for form in (json.dumps(each)[1:-1], repr(each)[1:-1], _base64(each))))
    for form in (value, plain, *written):
        if form.strip() and len(form) >= min(len(value), NEVER_BELOW):
            _shown.setdefault(form, shown)
    if shown == HIDDEN and len(value) >= PARTS_FROM:
        _long.update((value, plain))


def register_url(url: str) -> None:
    """A node's URL: user, password, path segments and query values are secret."""
    register(url, show_url(url))
    try:
        parts = urlsplit(url)
    except ValueError:  # no URL after all, and so a secret as a whole
        return
    userinfo = parts.netloc.rpartition("@")[0]
    values = [userinfo, *userinfo.split(":", 1), *parts.path.split("/"), parts.query, parts.fragment]
    values += [value for _, value in parse_qsl(parts.query)]
    for value in values:
        if len(value) >= NEVER_BELOW and value.lower() not in _PUBLIC:
            register(value)


def register_database(url: str) -> None:
    """A database URL or keyword string: only its passwords are secret, the other words are ordinary."""
    register(url, show_database(url))
    words = [word.strip("'") for _, word in _KEYWORD_PASSWORD.findall(url)]
    if "://" in url:
        userinfo = url.partition("://")[2].rpartition("@")[0]
        words = [userinfo if ":" in userinfo else "", userinfo.partition(":")[2]]
        query = url.partition("?")[2].partition("#")[0]  # by hand: of what is no URL the password is a secret all the same
        words += [value for name, value in parse_qsl(query) if "password" in name]
    for word in words:
        if len(word) >= NEVER_BELOW:
            register(word)


def show_url(url: str) -> str:
    """The URL as it may be shown: `scheme://host`, and `/***` where there was more."""
    scheme, divider, rest = url.partition("://")
    if not divider:
        return HIDDEN
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if (
        "@" in rest[len(authority) :]
    ):  # an unescaped / or ? in a password: what looks like the host may be a part of it
        return f"{scheme}://{HIDDEN}"
    host = authority.rpartition("@")[2]
    return f"{scheme}://{host}" if rest in (host, host + "/") else f"{scheme}://{host}/{HIDDEN}"


def show_database(url: str) -> str:
    """As `show_url`; of libpq's keyword form only the passwords are hidden."""
    if "://" not in url and "=" in url:
        return _KEYWORD_PASSWORD.sub(rf"\1={HIDDEN}", url)
    return show_url(url)


def mask(text: str) -> str:
    """The text without any registered secret, and without the user and password of any URL."""
    for value in sorted(_shown, key=len, reverse=True):
        if value in text:
            text = _replace(text, value, _shown[value])
    for value in list(_long):  # a config that is read again is read in a thread, and registers what is new
        text = _without_parts(text, value)
    return _USERINFO.sub(f"{HIDDEN}@", text)


def clear() -> None:
    """Forgets every secret (for tests)."""
    _shown.clear()
    _long.clear()


def _base64(value: str) -> str:
    """As basic authentication has it."""
    return b64encode(value.encode("utf-8", "replace")).decode().rstrip("=") if len(value) >= NEVER_BELOW else value


def _without_parts(text: str, value: str) -> str:
    """Any `PART` characters of the value hold one of its blocks of half as many whole: that is looked for, and then how far it goes."""
    block = PART // 2
    for at in range(0, len(value) - block + 1, block):
        where = text.find(value[at : at + block])
        while where >= 0:
            first, last = where, where + block
            low, high = at, at + block
            while low and first and value[low - 1] == text[first - 1]:
                low, first = low - 1, first - 1
            while high < len(value) and last < len(text) and value[high] == text[last]:
                high, last = high + 1, last + 1
            if last - first >= PART:
                text, where = text[:first] + HIDDEN + text[last:], first + len(HIDDEN) - 1
            where = text.find(value[at : at + block], where + 1)
    return text


def _replace(text: str, value: str, shown: str) -> str:
    if len(value) >= ALONE_BELOW:
        return text.replace(value, shown)
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(value)}(?![A-Za-z0-9])", lambda _: shown, text)
