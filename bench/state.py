"""Writes a state for the private chain: the three contracts with so many holders straight in their mappings, and Multicall3.

anvil's own dump of a chain of a few blocks is taken, the mappings' slots are put into it, and it is loaded at the next start. A million
holders are there in seconds that way, where `anvil_setStorageAt` would need half an hour.
"""

from __future__ import annotations

import gzip
import json
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from actors.evm.keccak import keccak
from actors.sandbox.anvil import Anvil
from actors.sandbox.town import CONTRACTS, MULTICALL3
from bench.holders import balances, pages

GAS_LIMIT = 50_000_000  # geth's default cap for one eth_call, and what anvil lets a call have that names no gas
FIRST_BLOCKS = 5
TOKEN, STAKING, DELEGATION = (f"0x{number:040x}" for number in (0x70CE, 0x57A4E, 0xDE1E6A7E))
SOURCES = ((TOKEN, "balanceOf(address)"), (STAKING, "totalStakedFor(address)"), (DELEGATION, "getTotalDelegatorStake(address)"))
OPTIONS = ("--gas-limit", str(GAS_LIMIT), "--no-request-size-limit", "--no-mining", "--chain-id", "1")


def write(path: Path, holders: int) -> None:
    """Write the state file."""
    state = _empty()
    accounts = state.pop("accounts")
    own = {address: accounts.pop(address) for address, _ in SOURCES}
    storages = _storages(path, holders)
    with path.open("w") as out:
        # By hand: as one object the storage would hold gigabytes.
        out.write(json.dumps(state)[:-1] + ', "accounts": ' + json.dumps(accounts)[:-1])
        for (address, account), storage in zip(own.items(), storages, strict=True):
            out.write(f', "{address}": ' + json.dumps({**account, "storage": {}})[: -len("}}")])
            with storage.open() as slots:
                shutil.copyfileobj(slots, out, 2**20)
            storage.unlink()
            out.write("}}")
        out.write("}}")


def _storages(path: Path, holders: int) -> list[Path]:
    """The slots of each contract, in a file of its own. Its first variable is the mapping, so a holder has one slot in all three."""
    files = [path.with_suffix(f".{index}") for index in range(len(SOURCES))]
    with ExitStack() as stack:
        outs = [stack.enter_context(file.open("w")) for file in files]
        between = ""
        for page in pages(holders):
            slots = [keccak(bytes(12) + wallet + bytes(32)).hex() for wallet in page]
            values = [balances(wallet) for wallet in page]
            for index, out in enumerate(outs):
                out.write(between + ",".join(f'"0x{slot}":"0x{v[index]:064x}"' for slot, v in zip(slots, values, strict=True)))
            between = ","
    return files


def _empty() -> dict[str, Any]:
    """anvil's dump of a chain that has the contracts and a few blocks."""
    with Anvil(options=OPTIONS) as anvil:
        for address, name in ((MULTICALL3, "Multicall3"), (TOKEN, "Token"), (STAKING, "Staking"), (DELEGATION, "Delegation")):
            anvil.rpc("anvil_setCode", address, "0x" + CONTRACTS[name]["deployedBytecode"])
        for _ in range(FIRST_BLOCKS):
            anvil.rpc("evm_mine")
        found: dict[str, Any] = json.loads(gzip.decompress(bytes.fromhex(anvil.rpc("anvil_dumpState")[2:])))
        return found
