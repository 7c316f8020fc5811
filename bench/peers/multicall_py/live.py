"""web3.py's WebSocket subscription to heads; each head's logs by block hash; multicall.py at that block; executemany, one commit a block.

live.py URL WS DATABASE TOKEN CONTRACT:CALL… ; prints "following" when it is subscribed, and goes on until it is killed.
"""

import asyncio
import sys

import psycopg
from multicall import Call, Multicall
from web3 import AsyncWeb3, HTTPProvider, Web3, WebSocketProvider

WRITE = """
insert into eth_wallet_balances (wallet, balance, read_block) values (%s, %s, %s)
on conflict (wallet) do update set balance = excluded.balance, read_block = excluded.read_block
"""
TRANSFER = "0x" + Web3.keccak(text="Transfer(address,address,uint256)").hex().removeprefix("0x")


async def sums(plain, wallets, block, sources):
    calls = [
        Call(contract, [f"{call}(uint256)", wallet], [((wallet, index), None)])
        for wallet in wallets
        for index, (contract, call) in enumerate(sources)
    ]
    found = await Multicall(calls, block_id=block, _w3=plain)
    return {wallet: sum(found[wallet, index] for index in range(len(sources))) for wallet in wallets}


async def main(http, ws, database, token, *words):
    sources = [tuple(word.split(":")) for word in words]
    plain, conn = Web3(HTTPProvider(http)), psycopg.connect(database)
    async with AsyncWeb3(WebSocketProvider(ws, max_connection_retries=1, websocket_kwargs={"max_size": 2**26})) as w3:
        await w3.eth.subscribe("newHeads")
        print("following", flush=True)
        async for message in w3.socket.process_subscriptions():
            head = message["result"]
            logs = await w3.eth.get_logs({"address": w3.to_checksum_address(token), "topics": [TRANSFER], "blockHash": head["hash"]})
            wallets = sorted({"0x" + topic.hex()[-40:] for log in logs for topic in log["topics"][1:]})
            if wallets:
                found = await sums(plain, wallets, head["number"], sources)
                conn.cursor().executemany(WRITE, [(wallet, total, head["number"]) for wallet, total in found.items()])
                conn.commit()


asyncio.run(main(*sys.argv[1:]))
