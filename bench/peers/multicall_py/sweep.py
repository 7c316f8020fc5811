"""multicall.py with executemany: the oldest rows, CHUNK at a time, are read and written, one after the other.

sweep.py URL DATABASE COUNT CHUNK CONTRACT:CALL… ; prints {"wallets", "cpu_secs", "wall_secs"} of the work alone.
"""

import json
import os
import sys
import time

import psycopg
from reads import by_multicall_py
from web3 import HTTPProvider, Web3

OLDEST = "select wallet from eth_wallet_balances order by updated_at limit %s"
WRITE = """
insert into eth_wallet_balances (wallet, balance, read_block, updated_at) values (%s, %s, %s, clock_timestamp())
on conflict (wallet) do update set balance = excluded.balance, read_block = excluded.read_block, updated_at = excluded.updated_at
"""


def main(url, database, count, chunk, *sources):
    w3 = Web3(HTTPProvider(url))
    block = w3.eth.block_number - 2
    read = by_multicall_py(w3, block, [tuple(source.split(":")) for source in sources])
    with psycopg.connect(database) as conn:
        began, used, done = time.perf_counter(), os.times(), 0
        while done < int(count):
            some = [wallet for (wallet,) in conn.execute(OLDEST, [min(int(chunk), int(count) - done)])]
            conn.cursor().executemany(WRITE, [(wallet, total, block) for wallet, total in zip(some, read(some), strict=True)])
            conn.commit()
            done += len(some)
        now = os.times()
    print(json.dumps({"wallets": done, "cpu_secs": sum(now[:4]) - sum(used[:4]), "wall_secs": time.perf_counter() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:])
