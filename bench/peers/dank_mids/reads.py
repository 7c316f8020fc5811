"""dank_mids: so many wallets' calls gathered at once, batched by its middleware; compares each sum.

reads.py URL WALLETS CHUNK CONTRACT:CALL… ; prints {"wallets", "wrong", "cpu_secs", "wall_secs"} of the reading alone.
"""

import asyncio
import json
import os
import sys
import time

# It leaves the version out of its requests unless told otherwise; anvil refuses such, and each refusal halves a batch.
os.environ["DANKMIDS_USE_FULL_REQUEST"] = "1"

from dank_mids.helpers import setup_dank_w3_from_sync
from web3 import HTTPProvider, Web3


def main(url, path, chunk, *sources):
    with open(path) as file:
        rows = [line.split() for line in file]
    asyncio.run(measure(url, rows, int(chunk), sources))


async def measure(url, rows, chunk, sources):
    plain = Web3(HTTPProvider(url))
    w3, block = setup_dank_w3_from_sync(plain), plain.eth.block_number - 2
    abi = [
        {
            "name": call.partition("(")[0],
            "type": "function",
            "stateMutability": "view",
            "inputs": [{"name": "wallet", "type": "address"}],
            "outputs": [{"name": "", "type": "uint256"}],
        }
        for call in (source.split(":")[1] for source in sources)
    ]
    contracts = [w3.eth.contract(Web3.to_checksum_address(source.split(":")[0]), abi=[one]) for source, one in zip(sources, abi, strict=True)]
    methods = [getattr(contract.functions, one["name"]) for contract, one in zip(contracts, abi, strict=True)]

    async def read(wallet):
        address = Web3.to_checksum_address(wallet)
        return sum(await asyncio.gather(*(method(address).call(block_identifier=block) for method in methods)))

    began, used, wrong = time.perf_counter(), os.times(), 0
    for at in range(0, len(rows), chunk):
        some = rows[at : at + chunk]
        found = await asyncio.gather(*(read(wallet) for wallet, _ in some))
        wrong += sum(got != int(truth) for got, (_, truth) in zip(found, some, strict=True))
    now = os.times()
    cpu = sum(now[:4]) - sum(used[:4])
    print(json.dumps({"wallets": len(rows), "wrong": wrong, "cpu_secs": cpu, "wall_secs": time.perf_counter() - began}), flush=True)
    os._exit(0)  # its tasks in the background do not end by themselves


if __name__ == "__main__":
    main(*sys.argv[1:])
