"""Configs that tests change a little, and short ways to load them."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.config import Config, load
from actors.errors import ConfigError

CONFIGS = Path(__file__).parents[2] / "config"
ENV = {
    "DATABASE_URL": "postgresql://keeper:s3cr3t-pass@db.example:5432/balances",
    "ETH_HTTP_URL": "https://eth.example/v2/HTTPKEY12345",
    "ETH_WS_URL": "wss://eth.example/v2/WSKEY1234567",
}
TOKEN = "0x18aAA7115705e8be94bfFEBDE57Af9BFc265B998"
EVENT = "Transfer(address indexed from, address indexed to, uint256 value)"
MINIMAL = f"""
[database]
url = "postgresql://keeper@localhost/balances"

[[chain]]
name = "ethereum"
chain_id = 1
http = ["https://eth.example"]

[[asset]]
name = "AUDIO"
chain = "ethereum"
table = "eth_wallet_balances"
checkpoint = "audio_transfers"
sources = [{{ contract = "{TOKEN}", call = "balanceOf(address)" }}]
triggers = [{{ contract = "{TOKEN}", event = "{EVENT}", wallets = ["from", "to"] }}]
"""
SECOND = f"""
[[asset]]
name = "STAKE"
chain = "ethereum"
table = "stakes"
checkpoint = "stake_transfers"
sources = [{{ contract = "{TOKEN}", call = "totalStakedFor(address)" }}]
"""


def loaded(file: Path, text: str, **env: str) -> Config:
    file.write_text(text)
    return load(file, env)


def refusal(file: Path, text: str, **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(file, text, **env)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{file}: ")
    return message.removeprefix(f"{file}: ")


def changed(old: str, new: str, text: str = MINIMAL) -> str:
    assert old in text
    return text.replace(old, new, 1)
