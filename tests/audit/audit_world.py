"""Tables to be audited: many true rows, made at little cost, some of them spoiled by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from actors.cli import main
from actors.sandbox.town import wallet_of
from actors.store import audit
from tests.proxy_world import mine
from tests.world import World

ON = "[audit]\nrows_a_minute = {rows}\n"


def on(rows: int = 2**31 - 1) -> str:
    """The config's table."""
    return ON.format(rows=rows)


def text(wallet: bytes) -> str:
    return "0x" + wallet.hex()


def wallets(count: int) -> list[str]:
    """The town's, and others, which nobody gave anything to."""
    return [text(wallet_of(index)) for index in range(count)]


def with_rows(world: World, count: int) -> None:
    """So many rows, each read once by `trueup sweep`, a little behind the head."""
    mine(world.town, 3)
    world.query("INSERT INTO eth_wallet_balances (wallet, updated_at) SELECT unnest(%s::text[]), '1970-01-01'", wallets(count))
    assert main(["sweep", "-c", str(world.path)]) == 0
    assert world.query("SELECT count(*) FROM eth_wallet_balances WHERE read_block IS NULL") == [(0,)]


def spoil(world: World, some: Sequence[str], by: str = "balance + 1") -> None:
    """Corrupt rows as a slip of the hand would: nothing but the balance changes."""
    world.query(f"UPDATE eth_wallet_balances SET balance = {by} WHERE wallet = ANY(%s)", list(some))


def verified(world: World, capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, Any]]:
    """`trueup verify --json`: its exit code, and what it says."""
    capsys.readouterr()
    code = main(["verify", "-c", str(world.path), "--json", *argv])
    return code, json.loads(capsys.readouterr().out)


def evidence(world: World) -> list[tuple[Any, ...]]:
    """What the audit has kept: wallet, the row's balance, the chain's, outcome."""
    return world.query("SELECT wallet, balance, chain_balance, outcome FROM trueup_audit ORDER BY wallet")


def mended(world: World) -> int:
    found = world.query("SELECT count(*) FROM trueup_audit WHERE outcome = %s", audit.MENDED)
    return int(found[0][0])
