"""multicall.py, or web3.py's own contract call: reads WALLETS (lines `wallet sum`) in chunks and compares each sum.

reads.py KIND URL WALLETS CHUNK CONTRACT:CALL… ; prints {"wallets", "wrong", "cpu_secs", "wall_secs"} of the reading alone.
"""

import json
import os
import sys
import time

from web3 import HTTPProvider, Web3

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
ABI = [
    {
        "name": "aggregate3",
        "type": "function",
        "stateMutability": "payable",
        "inputs": [
            {
                "name": "calls",
                "type": "tuple[]",
                "components": [
                    {"name": "target", "type": "address"},
                    {"name": "allowFailure", "type": "bool"},
                    {"name": "callData", "type": "bytes"},
                ],
            }
        ],
        "outputs": [
            {
                "name": "returnData",
                "type": "tuple[]",
                "components": [{"name": "success", "type": "bool"}, {"name": "returnData", "type": "bytes"}],
            }
        ],
    }
]


def by_multicall_py(w3, block, sources):
    from multicall import Call, Multicall

    def read(wallets):
        calls = [
            Call(contract, [f"{call}(uint256)", wallet], [((wallet, index), None)])
            for wallet in wallets
            for index, (contract, call) in enumerate(sources)
        ]
        found = Multicall(calls, block_id=block, _w3=w3)()
        return [sum(found[wallet, index] for index in range(len(sources))) for wallet in wallets]

    return read


def by_web3(w3, block, sources):
    multicall3 = w3.eth.contract(Web3.to_checksum_address(MULTICALL3), abi=ABI)
    heads = [(Web3.to_checksum_address(contract), Web3.keccak(text=call)[:4]) for contract, call in sources]

    def read(wallets):
        calls = [(contract, True, head + bytes(12) + bytes.fromhex(wallet[2:])) for wallet in wallets for contract, head in heads]
        found = multicall3.functions.aggregate3(calls).call(block_identifier=block)
        values = [int.from_bytes(data, "big") for _, data in found]
        return [sum(values[at : at + len(heads)]) for at in range(0, len(values), len(heads))]

    return read


def main(kind, url, path, chunk, *sources):
    with open(path) as file:
        rows = [line.split() for line in file]
    w3 = Web3(HTTPProvider(url))
    # Not the newest block: every client here reads two behind the head.
    block = w3.eth.block_number - 2
    read = {"multicall.py": by_multicall_py, "web3.py": by_web3}[kind](w3, block, [tuple(source.split(":")) for source in sources])
    began, used = time.perf_counter(), os.times()
    wrong = 0
    for at in range(0, len(rows), int(chunk)):
        some = rows[at : at + int(chunk)]
        wrong += sum(got != int(truth) for got, (_, truth) in zip(read([wallet for wallet, _ in some]), some, strict=True))
    now = os.times()
    cpu = sum(now[:4]) - sum(used[:4])
    print(json.dumps({"wallets": len(rows), "wrong": wrong, "cpu_secs": cpu, "wall_secs": time.perf_counter() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:])
