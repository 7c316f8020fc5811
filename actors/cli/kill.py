"""`trueup kill`: tells a running service to kill one of its actors."""

from __future__ import annotations

import os
from argparse import Namespace
from urllib.parse import quote

from actors import secrets
from actors.cli import fail
from actors.cli.service import ask, said
from actors.errors import ConfigError

VARIABLE = "TRUEUP_CHAOS_TOKEN"


def main(args: Namespace) -> int:
    code, body = ask(
        args.url, f"/api/actors/{quote(args.actor, safe='')}/kill", token(args.token_file), post=True
    )
    if 200 <= code < 300:
        print(f"killed {args.actor}")
        return 0
    reasons = {
        401: "the token was refused",
        403: "killing is refused, [chaos] must be enabled and the token its own",
        404: f"no actor is named {args.actor} (trueup status lists them), or [chaos] is not enabled",
    }
    return fail(reasons.get(code, f"{args.url} answered {code}") + said(body))


def token(path: str | None) -> str:
    """From the file, else from the environment."""
    found = _read(path) if path else os.environ.get(VARIABLE, "").strip()
    if not found:
        raise ConfigError(f"{path} is empty" if path else f"no token: set {VARIABLE} or name a --token-file")
    secrets.register(found)
    if not found.isascii() or not found.isprintable():
        raise ConfigError("the token is not printable ASCII")
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip()
    except OSError as error:
        raise ConfigError(f"--token-file {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"--token-file {path}: expected UTF-8 text") from None
