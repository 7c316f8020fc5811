"""A megabyte of the same, and deep nesting: nothing takes the square of its length, or the stack."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors import config, secrets
from actors.claim import Address, LedgerRow, claim_of
from actors.cli.status import lines
from actors.cli.top_page import page
from actors.cli.words import clean
from actors.errors import TrueupError
from actors.evm import jsonrpc
from actors.evm.abi import parse_call, parse_event
from actors.evm.attest import from_hex
from actors.evm.block import Header
from actors.evm.endpoint import _retry_after
from actors.evm.faults import classify
from actors.evm.logs import decode_log
from actors.store.pages import Selected, _are_wallets
from tests.fuzz.documents import BLOCK, TRIGGERS, log
from tests.fuzz.targets.status import Form
from tests.views import AT

MEGABYTE = 1_000_000
MOST_SECS = 5.0  # of the processor; what is square takes minutes
WALLET = b"\x01" * 20
PATTERNS = ("a", "0", "9", " ", "\n", "(", "[", "{", '"', "\\", ".", "a.", "0x", "limited to ", "block ", "[[a]]\n", "\x1b", "é", "address,", "https://")
ENTRIES: dict[str, Callable[[str], Any]] = {
    "a refusal": lambda text: classify(-32000, text, None, None, None, "eth_getLogs"),
    "a call": parse_call,
    "an event": lambda text: parse_event(f"E({text}"),
    "JSON": jsonrpc.decode,
    "a chain id": jsonrpc.chain_id_of,
    "hex": from_hex,
    "a header": lambda text: Header.from_json({**BLOCK, "number": text, "hash": text}),
    "a log": lambda text: decode_log(TRIGGERS, {**log(1, 1, WALLET, WALLET), "data": text}),
    "a time to wait": lambda text: _retry_after(text[:100_000]),  # more than a header may have
    "a ledger row": lambda text: claim_of([LedgerRow("1", "2", "3", (Address("x", text, True, True),), text, text, False)], "me", "uuid", ["x"]),
    "a page": lambda text: _are_wallets(Selected(text, 1, AT, 1)),
    "a status": lambda text: lines({"reasons": [text], "actors": [{"a": text[:MEGABYTE // 10]}]}, Form(False)),
    "a status in the terminal": lambda text: page(clean({"reasons": [text[: MEGABYTE // 4]]}), "", [], 80, 50),
    "a masked text": secrets.mask,
}


@pytest.mark.long
@pytest.mark.parametrize("name", ENTRIES)
def test_a_megabyte_takes_no_longer_than_it_must(name: str) -> None:
    for pattern in PATTERNS:
        text = (pattern * (MEGABYTE // len(pattern) + 1))[:MEGABYTE]
        _within(lambda text=text: ENTRIES[name](text), f"{name} of {pattern!r}")  # type: ignore[misc]  # mypy takes no default of a lambda


@pytest.mark.long
def test_a_config_of_a_megabyte_takes_no_longer_than_it_must(tmp_path: Path) -> None:
    file = tmp_path / "trueup.toml"
    for pattern in (*PATTERNS, "a=1\n", "a.b.c.d=1\n", f"{'a.' * 299}b=1\n", "[a]\n", "[a.b]\n", "x='''", "#\n"):
        file.write_text((pattern * (MEGABYTE // len(pattern)))[:MEGABYTE], encoding="utf-8")
        _within(lambda: config.load(file, {}), f"a config of {pattern!r}")


@pytest.mark.parametrize("levels", [50, 300, 900, 100_000])
def test_deep_nesting_is_refused_as_what_it_is(levels: int, tmp_path: Path) -> None:
    deep = "[" * levels + "]" * levels
    _within(lambda: jsonrpc.result(jsonrpc.decode(f'{{"id": 1, "error": {{"message": {deep}}}}}'), 1, "m"), "JSON")
    (tmp_path / "x.toml").write_text(f"x = {deep}")
    _within(lambda: config.load(tmp_path / "x.toml", {}), "TOML")
    if levels < 900:
        _within(lambda: lines({"x": json.loads(deep)}, Form(False)), "a status")


def _within(ask: Callable[[], Any], what: str) -> None:
    began = time.process_time()
    try:
        ask()
    except TrueupError:
        pass
    secs = time.process_time() - began
    assert secs < MOST_SECS, f"{what} took {secs:.1f} s"
