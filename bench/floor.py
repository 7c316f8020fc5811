"""What no follower of a chain can go below: the node's answers and the database's commit for one block, one after the other, each asked for
by prepared bytes. Nothing is decoded, compared or remembered.
"""

from __future__ import annotations

import http.client
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import psycopg

from actors.evm import programs
from actors.evm.abi import parse_call
from actors.evm.keccak import keccak
from actors.evm.packed import READER
from actors.evm.rung import NARROW
from actors.evm.source import Source
from actors.sandbox.anvil import Anvil
from bench.ceilings import UPSERT
from bench.state import SOURCES, TOKEN
from bench.traffic import Traffic

TOPIC = "0x" + keccak(b"Transfer(address,address,uint256)").hex()
READ = tuple(Source(bytes.fromhex(contract[2:]), parse_call(call)) for contract, call in SOURCES)


@dataclass
class Floor:
    """Milliseconds, block by block: the block's logs, the read of the wallets that it touched, and their rows' transaction."""

    logs: list[float] = field(default_factory=list)
    read: list[float] = field(default_factory=list)
    write: list[float] = field(default_factory=list)

    @property
    def sums(self) -> list[float]:
        """All three, block by block."""
        return [sum(parts) for parts in zip(self.logs, self.read, self.write, strict=True)]

    @property
    def millis(self) -> float:
        """The median block's."""
        return statistics.median(self.sums)


def floor(anvil: Anvil, url: str, traffic: Traffic, transfers: int, blocks: int) -> Floor:
    """Over so many blocks, on a database with the program's own table."""
    found = Floor()
    with psycopg.connect(url) as conn:
        for _ in range(blocks):
            traffic.touched.clear()
            traffic.queue(transfers)
            traffic.mine()
            head = anvil.rpc("eth_getBlockByNumber", "latest", False)
            wallets = sorted(traffic.touched)
            rows = "{" + ",".join(f"0x{wallet.hex()}" for wallet in wallets) + "}", "{" + ",".join(["1000000000000"] * len(wallets)) + "}"
            found.logs.append(_millis(_asks(anvil, "eth_getLogs", [{"blockHash": head["hash"], "address": [TOKEN], "topics": [TOPIC]}])))
            found.read.append(_millis(_asks(anvil, "eth_call", _read(wallets, head["number"]))))
            found.write.append(_millis(partial(_written, conn, rows)))
    return found


def _written(conn: psycopg.Connection, rows: tuple[str, str]) -> None:
    conn.execute(UPSERT, rows)
    conn.commit()


def _read(wallets: list[bytes], block: str) -> list[Any]:
    code = programs.sums(((READ, len(wallets)),), NARROW, False, False)
    return [{"to": READER, "data": "0x" + b"".join(wallets).hex()}, block, {READER: {"code": "0x" + code.hex()}}]


def _asks(anvil: Anvil, method: str, params: list[Any]) -> Callable[[], object]:
    """What asks, on a connection that is open, and reads the answer's bytes."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    connection = http.client.HTTPConnection(anvil.http.removeprefix("http://"))
    connection.connect()

    def ask() -> None:
        connection.request("POST", "/", body, {"content-type": "application/json"})
        answer = connection.getresponse().read()
        connection.close()
        assert b'"result"' in answer[:200], answer[:200]

    return ask


def _millis(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return (time.perf_counter() - began) * 1e3
