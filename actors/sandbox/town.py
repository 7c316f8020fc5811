"""A town on a private chain: a token with staking and delegation, thousands of wallets, and traffic among them.

It knows the truth by plain `eth_call`s of its own and shares no code with the batcher, so it can judge the rows.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from actors.errors import TrueupError
from actors.evm.keccak import keccak
from actors.sandbox.anvil import Anvil

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
CONTRACTS = json.loads((Path(__file__).parent / "contracts.json").read_text())
GAS = hex(29_000_000)
PER_MINT = 200
MOST_BLOCKS = 100
MOST_TRIES = 20
OWN_BLOCKS_SECS = 1.0
# What a busy node says where it has not counted a transaction yet that it has taken.
BEHIND = ("nonce too low", "replacement transaction underpriced")
SEEDED = 10**18


def selector(signature: str) -> str:
    """Eight hex digits."""
    return keccak(signature.encode())[:4].hex()


def arg(value: int | bytes) -> str:
    """One ABI word as hex."""
    return (value.to_bytes(32, "big") if isinstance(value, int) else bytes(12) + value).hex()


def array(values: Sequence[bytes]) -> str:
    """An address[]'s length and words."""
    return arg(len(values)) + "".join(map(arg, values))


def wallet_of(index: int) -> bytes:
    """A wallet that nobody has the key of."""
    return keccak(b"trueup town wallet" + index.to_bytes(8, "big"))[12:]


class Town:
    """Deploys itself on an anvil at construction."""

    def __init__(self, anvil: Anvil, wallets: int, seed: int = 0) -> None:
        self._anvil, self._random = anvil, random.Random(seed)
        self._mayor = anvil.rpc("eth_accounts")[0]
        self._last_sent, self._own_blocks_due = "", False
        self.wallets = [wallet_of(index) for index in range(wallets)]
        anvil.rpc("anvil_setCode", MULTICALL3, "0x" + CONTRACTS["Multicall3"]["deployedBytecode"])
        self.token, self.staking, self.delegation, self.weird = self._deploy("Token", "Staking", "Delegation", "Weird")
        self._seed()
        self.started_at = self.block()

    def _deploy(self, *names: str) -> list[str]:
        """One after the other: of several in one request a busy node may lose one."""
        found = []
        for name in names:
            deployed = self._anvil.rpc("eth_sendTransaction", self._tx(None, "0x" + CONTRACTS[name]["bytecode"]))
            found.append(self._receipts([deployed])[0]["contractAddress"])
        return found

    def _receipts(self, hashes: Sequence[str]) -> list[dict[str, str]]:
        """Of transactions that were sent, mined by now: on a busy machine the node may take them in after the block that was to hold them."""
        for block in range(MOST_BLOCKS):
            time.sleep(0.001 * block)
            self.mine()
            receipts = self._anvil.batch([("eth_getTransactionReceipt", [one]) for one in hashes])
            if all(receipts):
                return receipts
        raise TrueupError("transactions are not mined")

    def _tx(self, to: str | None, data: str) -> dict[str, str]:
        tx = {"from": self._mayor, "data": data, "gas": hex(3_000_000) if to is None else GAS}
        if to is not None:
            tx["to"] = to
        return tx

    def _seed(self) -> None:
        """Mint something to every wallet, a few hundred a transaction."""
        for at in range(0, len(self.wallets), PER_MINT):
            some = self.wallets[at : at + PER_MINT]
            minted = self.send(self.token, selector("mintMany(address[],uint256)") + arg(64) + arg(SEEDED) + array(some))
            self._receipts([minted])

    def send(self, to: str, data: str) -> str:
        """Send one transaction from the mayor, mined in its own time; its hash."""
        self._last_sent, self._own_blocks_due = self._anvil.rpc("eth_sendTransaction", self._tx(to, "0x" + data)), True
        return self._last_sent

    def mine(self) -> None:
        """Make one block now, after those that the node makes by itself for what was sent: it would make them all the same, a moment later and
        empty, if this one took their transactions.
        """
        if self._own_blocks_due and self._anvil.rpc("anvil_getAutomine"):
            deadline = time.monotonic() + OWN_BLOCKS_SECS
            while not self._is_mined(self._last_sent) and time.monotonic() < deadline:
                time.sleep(0.001)
        self._own_blocks_due = False
        self._anvil.rpc("evm_mine")

    def _is_mined(self, sent: str) -> bool:
        return self._anvil.rpc("eth_getTransactionReceipt", sent) is not None

    def settle(self) -> None:
        """Make blocks until whatever was sent is in one: all of it is the mayor's, so the last is mined last. An empty pool says less: a
        block takes its transactions out of that before it is there. After a revert something has to be sent first.
        """
        if (last := self._last_sent) and not self._is_mined(last):
            self._receipts([last])

    @contextmanager
    def by_hand(self) -> Iterator[None]:
        """Inside the block `mine` and `settle` alone make blocks. Else a busy node, which is to make one for each transaction, puts several
        into one, and makes those that they were to be in a moment later, empty.
        """
        self._anvil.rpc("evm_setAutomine", False)
        try:
            yield
        finally:
            self._anvil.rpc("evm_setAutomine", True)

    def block(self) -> int:
        """The head."""
        return int(self._anvil.rpc("eth_blockNumber"), 16)

    def transfer(self, source: bytes, target: bytes, value: int) -> None:
        """Move some of the token."""
        self.send(self.token, selector("move(address,address,uint256)") + arg(source) + arg(target) + arg(value))

    def stake(self, wallet: bytes, value: int) -> None:
        """Stake for a wallet."""
        self.send(self.staking, selector("stakeFor(address,uint256)") + arg(wallet) + arg(value))

    def delegate(self, wallet: bytes, target: bytes, value: int) -> None:
        """Delegate for a wallet."""
        self.send(self.delegation, selector("delegateFor(address,address,uint256)") + arg(wallet) + arg(target) + arg(value))

    def traffic(self, count: int) -> None:
        """So many random transfers, stakes and delegations, in one request; more where the node is behind with its own count of them."""
        for left in reversed(range(MOST_TRIES)):
            nonce = int(self._anvil.rpc("eth_getTransactionCount", self._mayor, "pending"), 16)
            calls = [("eth_sendTransaction", [{**self._random_tx(), "nonce": hex(nonce + at)}]) for at in range(count)]
            try:
                self._last_sent, self._own_blocks_due = self._anvil.batch(calls)[-1], True
            except TrueupError as error:
                if not any(words in str(error) for words in BEHIND) or not left:
                    raise
                time.sleep(0.05)
            else:
                return

    def _random_tx(self) -> dict[str, str]:
        source, target = self._random.sample(self.wallets, 2)
        value = self._random.randrange(1, 10**6)
        kind = self._random.random()
        if kind < 0.7:
            tx = self._tx(self.token, "0x" + selector("move(address,address,uint256)") + arg(source) + arg(target) + arg(value))
        elif kind < 0.85:
            tx = self._tx(self.staking, "0x" + selector("stakeFor(address,uint256)") + arg(source) + arg(value))
        else:
            data = selector("delegateFor(address,address,uint256)") + arg(source) + arg(target) + arg(value)
            tx = self._tx(self.delegation, "0x" + data)
        return {**tx, "gas": hex(200_000)}

    def truths(self, wallets: Sequence[bytes], block: int) -> dict[bytes, int]:
        """Each wallet's sum at a block, by three plain eth_calls a wallet."""
        calls = [
            ("eth_call", [{"to": to, "data": "0x" + selector(call) + arg(wallet)}, hex(block)])
            for wallet in wallets
            for to, call in self.sources()
        ]
        answers: list[int] = []
        for at in range(0, len(calls), 1000):
            answers += [int(answer, 16) for answer in self._anvil.batch(calls[at : at + 1000])]
        width = len(self.sources())
        return {wallet: sum(answers[i * width : (i + 1) * width]) for i, wallet in enumerate(wallets)}

    def truth(self, wallet: bytes) -> int:
        """A wallet's sum at the head."""
        return self.truths([wallet], self.block())[wallet]

    def sources(self) -> list[tuple[str, str]]:
        """Contract and call of each source."""
        return [
            (self.token, "balanceOf(address)"),
            (self.staking, "totalStakedFor(address)"),
            (self.delegation, "getTotalDelegatorStake(address)"),
        ]

    def last_events(self, after: int) -> dict[bytes, int]:
        """The block of each wallet's last log above `after`, straight from the node's logs."""
        found: dict[bytes, int] = {}
        where = {"fromBlock": hex(after + 1), "toBlock": "latest", "address": [self.token, self.staking, self.delegation]}
        for log in self._anvil.rpc("eth_getLogs", where) if after < self.block() else []:
            block = int(log["blockNumber"], 16)
            words = [*log["topics"][1:]]
            if log["address"].lower() == self.delegation.lower():
                words = ["0x" + log["data"][2:66], "0x" + log["data"][66:130]]
            for word in words:
                wallet = bytes.fromhex(word[-40:])
                if any(wallet):
                    found[wallet] = max(block, found.get(wallet, 0))
        return found

    def toml(self, ws: bool = True, chain: str = "", asset: str = "") -> str:
        """The [[chain]] and [[asset]] that watch this town; `chain` and `asset` are further lines of each."""
        socket = f'ws = ["{self._anvil.ws}"]' if ws else ""
        sources = "\n".join(f'  {{ contract = "{to}", call = "{call}" }},' for to, call in self.sources())
        return f"""
[[chain]]
name = "town"
chain_id = 31337
http = ["{self._anvil.http}"]
{socket}
{chain or "confirm_secs = 2"}

[[asset]]
name = "TOWN"
chain = "town"
table = "eth_wallet_balances"
checkpoint = "audio_transfers"
{asset}
sources = [
{sources}
]
triggers = [
  {{ contract = "{self.token}", event = "Transfer(address indexed from, address indexed to, uint256 value)", wallets = ["from", "to"] }},
  {{ contract = "{self.staking}", event = "Staked(address indexed user, uint256 amount, uint256 total)", wallets = ["user"] }},
  {{ contract = "{self.delegation}", event = "Delegated(address delegator, address target, uint256 amount)", wallets = ["delegator", "target"] }},
]
"""
