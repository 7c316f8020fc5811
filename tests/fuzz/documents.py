"""Valid documents to begin with: a config, a block, logs, answers, rows."""

from __future__ import annotations

from typing import Any

from actors.evm.abi import parse_call
from actors.evm.block import Header
from actors.evm.keccak import keccak
from actors.evm.logs import Trigger
from actors.evm.source import Source
from tests.fuzz.promise import SECRET

TOKEN = "0x18aAA7115705e8be94bfFEBDE57Af9BFc265B998"
TRANSFER = "Transfer(address indexed from, address indexed to, uint256 value)"
MOVED = "Moved(uint256[2] amounts, address who, string note)"
CONFIG: dict[str, Any] = {
    "database": {"url": f"postgresql://trueup:{SECRET}@localhost:5432/balances"},
    "server": {"bind": "127.0.0.1:1325"},
    "log": {"format": "json", "level": "info"},
    "chain": [
        {
            "name": "ethereum", "chain_id": 1, "http": [f"https://node.example/v3/{SECRET}"], "ws": [f"wss://node.example/ws/{SECRET}"],
            "follow": "logs", "confirm_secs": 60, "max_log_blocks": 9000, "reads": "auto", "multicall3": "0xcA11bde05977b3631167028862bE2a173976CA11",
        }
    ],
    "asset": [
        {
            "name": "AUDIO", "chain": "ethereum", "table": "eth_wallet_balances", "checkpoint": "audio_transfers", "track": "discover",
            "target_age_secs": 0.5, "sources": [{"contract": TOKEN, "call": "balanceOf(address)"}, {"native": True}],
            "triggers": [{"contract": TOKEN, "event": TRANSFER, "wallets": ["from", "to"]}],
        }
    ],
    "sweeper": {"interval_secs": 30, "batch_size": 50},
    "ledger": {"enabled": False, "address_from": ["user_wallet_addresses"]},
    "chaos": {"enabled": True, "token": SECRET, "kill_every_secs": 0},
}  # fmt: skip

HEADER = Header(10, keccak(b"block 10"), keccak(b"block 9"), 1_700_000_010, keccak(b"mix 10"))
BLOCK: dict[str, Any] = {
    "number": hex(HEADER.number),
    "hash": "0x" + HEADER.hash.hex(),
    "parentHash": "0x" + HEADER.parent.hex(),
    "timestamp": hex(HEADER.timestamp),
    "mixHash": "0x" + HEADER.prevrandao.hex(),
    "difficulty": "0x0",
}
TRIGGERS = (Trigger.parse(TOKEN, TRANSFER, ("from", "to")), Trigger.parse(TOKEN, MOVED, ("who",)))
SOURCES = (Source(bytes.fromhex(TOKEN[2:]), parse_call("balanceOf(address)")), Source(None, None))
WALLETS = tuple(keccak(bytes([number]))[12:] for number in range(6))


def address_word(wallet: bytes) -> str:
    """A wallet as a topic."""
    return "0x" + (bytes(12) + wallet).hex()


def log(number: int, index: int, sender: bytes, receiver: bytes) -> dict[str, Any]:
    """A transfer."""
    return {
        "address": TOKEN.lower(),
        "topics": ["0x" + TRIGGERS[0].event.topic0.hex(), address_word(sender), address_word(receiver)],
        "data": "0x" + (7).to_bytes(32, "big").hex(),
        "blockNumber": hex(number),
        "blockHash": "0x" + keccak(b"block %d" % number).hex(),
        "logIndex": hex(index),
        "transactionHash": "0x" + "12" * 32,
        "removed": False,
    }


def moved(number: int, index: int, who: bytes) -> dict[str, Any]:
    """An event whose wallet is no topic, and whose last parameter has no fixed size."""
    words = [(1).to_bytes(32, "big"), (2).to_bytes(32, "big"), bytes(12) + who, (128).to_bytes(32, "big"), bytes(32)]
    return {**log(number, index, who, who), "topics": ["0x" + TRIGGERS[1].event.topic0.hex()], "data": "0x" + b"".join(words).hex()}


def page() -> list[dict[str, Any]]:
    """Logs of blocks 8 to 10."""
    return [log(8 + at // 3, at, WALLETS[at % 6], WALLETS[(at + 1) % 6]) for at in range(8)] + [moved(10, 8, WALLETS[0])]
