"""Entries that exclude each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.texts import MINIMAL, SECOND, changed, refusal


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "audio"),
        ("table", "public.eth_wallet_balances"),
        ("table", "ETH_wallet_balances"),
        ("checkpoint", "audio_transfers"),
    ],
)
def test_two_assets_share_nothing(file: Path, key: str, value: str) -> None:
    line = next(line for line in SECOND.splitlines() if line.startswith(f"{key} ="))
    message = refusal(file, MINIMAL + changed(line, f'{key} = "{value}"', SECOND))
    assert message.startswith(f"key asset[1].{key}: expected another {key} than that of asset[0], got ")


def test_two_chains_have_two_names(file: Path) -> None:
    chain = MINIMAL[MINIMAL.index("[[chain]]") : MINIMAL.index("[[asset]]")]
    assert "key chain[1].name: expected another name than that of chain[0]" in refusal(file, MINIMAL + chain)
