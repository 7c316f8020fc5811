"""The config file: whatever is in it, there is a config or one line that says what is wrong with it."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from actors import config, secrets
from actors.errors import ConfigError
from tests.fuzz.documents import CONFIG
from tests.fuzz.draw import DEEP, Draw
from tests.fuzz.promise import SECRET, is_plain, keep

FILE = Path(mkdtemp(prefix="trueup-fuzz-")) / "trueup.toml"
EXTRAS = ("\ufeff", "\r\n", "[a]\n", "x = 1e400\n", "x = 0x" + "f" * 4000 + "\n", "x = " + "[" * 2000 + "\n", "a." * 2000 + "b = 1\n", "x = 1979-05-27T07:32:00Z\n", "\0", "[[chain]]\n")


def toml(value: Any) -> str:
    """A value in TOML; what TOML has none for becomes a text."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(name))} = {toml(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if value == DEEP:
        return "[" * 100 + "]" * 100
    return json.dumps(value if value is not None else "", ensure_ascii=False).replace("\x7f", "\\u007f")


def document(draw: Draw) -> bytes:
    """The config, changed, with perhaps something before or behind it."""
    changed = draw.changed(CONFIG)
    tables = changed.items() if isinstance(changed, dict) else [("x", changed)]
    text = "".join(f"{json.dumps(str(name))} = {toml(each)}\n" for name, each in tables)
    return (draw.pick(("", *EXTRAS)) + text + draw.pick(("", *EXTRAS))).encode()


def target(data: bytes) -> None:
    draw = Draw(data)
    load(draw.rest() if draw.flag() else document(draw), {})


def load(text: bytes, env: dict[str, str]) -> None:
    """Load it, and hold what came of that to its promises."""
    secrets.clear()
    FILE.write_bytes(text)
    try:
        loaded = config.load(FILE, env)
    except ConfigError as error:
        is_plain(str(error), 3000)
        return
    shown = config.show(loaded)
    keep(SECRET not in secrets.mask(shown), "the effective config shows a secret")
    tomllib.loads(shown)
    if not env:
        FILE.write_text(shown, encoding="utf-8")
        keep(config.show(config.load(FILE, {})) == shown, "what it shows is another config")


SEEDS = (b"\x00", b"\x01" + Path("config/trueup.toml").read_bytes(), b"\x01[database]\nurl='postgres://u:p@[::1/x'", b"\x00\x01\x01\x02\x01")
