"""The dashboard's files as the server answers them: one page, its style and its script, nothing from elsewhere.

They are read once, and the browser asks each time whether they are still the same: a page of an older service must not stay.
The policy lets the page load from where it came and nowhere else, and run no script that is written into it.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from actors.http_server import Request, Response

SCRIPTS = ("app", "verdict", "panels", "tables", "plots", "words")
FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/dashboard/style.css": ("style.css", "text/css; charset=utf-8"),
    **{f"/dashboard/{name}.js": (f"{name}.js", "text/javascript; charset=utf-8") for name in SCRIPTS},
    "/dashboard/icon.svg": ("icon.svg", "image/svg+xml"),
}
PATHS = tuple(path for path in FILES if path != "/")
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
    "vary": "accept",
}


def answer(request: Request) -> Response:
    """One of the files; 304 where the browser has it."""
    name, kind = FILES[request.path]
    body, tag = _read(name)
    if request.headers.get("if-none-match") == tag:
        return Response(304, b"", kind, {**HEADERS, "etag": tag})
    return Response(200, body, kind, {**HEADERS, "etag": tag})


@cache
def _read(name: str) -> tuple[bytes, str]:
    body = files(__name__).joinpath(name).read_bytes()
    return body, f'"{hashlib.sha256(body).hexdigest()[:16]}"'
