"""A simulated chain: a tree of blocks with their logs, balances and failing wallets, and the contracts' views of them.

Nothing here waits, reads a clock or goes over a set: one seed gives the same tree in every process.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from actors.evm.keccak import keccak

CHAIN_ID = 31337
GENESIS_TIME = 1_700_000_000
ZERO = bytes(20)
OVERFLOW = 2**256 - 1  # a sum from here on is no sum
NATIVE = b"native"  # stands where a contract would in a state
MULTICALL3 = bytes.fromhex("ca11bde05977b3631167028862be2a173976ca11")
TOKEN, STAKING, DELEGATION = (keccak(b"simulated " + name)[12:] for name in (b"token", b"staking", b"delegation"))
VIEWS = {TOKEN: "balanceOf(address)", STAKING: "totalStakedFor(address)", DELEGATION: "getTotalDelegatorStake(address)"}
SELECTORS = {contract: keccak(call.encode())[:4] for contract, call in VIEWS.items()}
SOURCES = tuple(VIEWS)
TRANSFER = "0x" + keccak(b"Transfer(address,address,uint256)").hex()
STAKED = "0x" + keccak(b"Staked(address,uint256,uint256)").hex()
DELEGATED = "0x" + keccak(b"Delegated(address,address,uint256)").hex()
BURNS_GAS = "gas burning"
# What the wallet's failing source answers: whether the call succeeded, and with what.
FAILURES: dict[str, tuple[bool, bytes]] = {
    "revert": (False, b""),
    "nothing": (True, b""),
    "31 bytes": (True, bytes(30) + b"\x07"),
    "33 bytes": (True, bytes(32) + b"\x07"),
    "overflow": (True, b"\xff" * 32),
    BURNS_GAS: (False, b""),
    "no code": (True, b""),
}
Log = dict[str, Any]
State = dict[bytes, dict[bytes, int]]


class Change(NamedTuple):
    """One thing that happens in a block. `fail` (with a mode) and `mend` come without a log, `nft` and `garbled` change no balance."""

    kind: str  # transfer | stake | delegate | native | nft | garbled | fail | mend
    wallet: bytes
    other: bytes = ZERO
    value: int = 0
    mode: str = ""


@dataclass(eq=False, repr=False, slots=True)
class Block:
    """A block and the state after it. What did not change is shared with the parent; `line` is shared along a branch."""

    number: int
    hash: bytes
    parent: Block | None
    timestamp: int
    prevrandao: bytes
    logs: tuple[Log, ...]
    state: State
    failing: dict[bytes, str]
    last_touch: dict[bytes, int]
    touched: tuple[bytes, ...]
    header: dict[str, Any]
    line: list[Block]

    def __repr__(self) -> str:
        return f"{self.number}:{self.hash.hex()[:8]}"

    def at(self, number: int) -> Block | None:
        """The ancestor of that number, or the block itself; None where there is none."""
        index = number - self.line[0].number
        return self.line[index] if index >= 0 and number <= self.number else None

    def holds(self, other: Block) -> bool:
        """Whether the other is this block or one of its ancestors."""
        return self.at(other.number) is other

    def balance(self, contract: bytes, wallet: bytes) -> int:
        """What a contract's view says of a wallet that does not fail."""
        return self.state.get(contract, {}).get(wallet, 0)


def sum_of(block: Block, wallet: bytes) -> int | None:
    """The wallet's true sum as of a block; None where it fails or overflows."""
    if wallet in block.failing:
        return None
    total = sum(block.balance(contract, wallet) for contract in SOURCES)
    return total if total < OVERFLOW else None


def view(block: Block, contract: bytes, wallet: bytes) -> tuple[bool, bytes]:
    """What a source's call answers. Of a failing wallet one source fails, so that a partial sum would show."""
    mode = block.failing.get(wallet)
    if mode is not None and failing_source(wallet) == contract:
        return FAILURES[mode]
    return True, block.state[contract].get(wallet, 0).to_bytes(32, "big")


def failing_source(wallet: bytes) -> bytes:
    """The source that fails where the wallet does."""
    return SOURCES[wallet[-1] % len(SOURCES)]


def fork_point(one: Block, other: Block) -> Block:
    """The newest common ancestor."""
    number = min(one.number, other.number)
    while (found := one.at(number)) is None or found is not other.at(number):
        number -= 1
    return found


class Chain:
    """The tree, and which of its tips is canonical. `listeners` are called after each move of the head."""

    def __init__(self, rng: random.Random, wallets: Sequence[bytes] = (), number: int = 0) -> None:
        self.by_hash: dict[bytes, Block] = {}
        self.listeners: list[Callable[[], object]] = []
        self._salt, self._made = rng.getrandbits(64).to_bytes(8, "big"), 0
        state: State = {contract: {} for contract in (*SOURCES, NATIVE)}
        for wallet in wallets:
            state[TOKEN][wallet] = rng.randrange(10**18, 10**21)
            state[NATIVE][wallet] = rng.randrange(10**18)
        self.genesis = self.head = self._keep(_Draft(number, _digest(self._salt), None, state, {}, {}), GENESIS_TIME, [])

    def at(self, block: Block, number: int) -> Block | None:
        """The ancestor of a block by number."""
        return block.at(number)

    def mine(self, changes: Iterable[Change], time: int) -> Block:
        """A block on top of the canonical head, at `time` in seconds or later."""
        return self.move(self.extend(self.head, changes, time))

    def fork(self, depth: int, length: int, changes: Callable[[], Iterable[Change]], time: int) -> Block:
        """Replace the newest `depth` blocks by a branch of `length` blocks, be they more or fewer; `changes` makes each one's."""
        assert length > 0, "a branch of no block is no fork"
        tip = self.head.line[max(0, self.head.number - depth - self.genesis.number)]
        for _ in range(length):
            tip = self.extend(tip, changes(), time)
        return self.move(tip)

    def move(self, head: Block) -> Block:
        """Make a block the canonical head."""
        self.head = head
        for listener in self.listeners:
            listener()
        return head

    def extend(self, parent: Block, changes: Iterable[Change], time: int) -> Block:
        """A block on top of any other; the canonical head stays where it is."""
        self._made += 1
        digest = _digest(parent.hash, self._salt, self._made.to_bytes(8, "big"))
        draft = _Draft(parent.number + 1, digest, parent, parent.state, parent.failing, parent.last_touch)
        for change in changes:
            draft.apply(change)
        first = parent.line[0].number
        line = parent.line if parent.line[-1] is parent else parent.line[: parent.number - first + 1]
        return self._keep(draft, max(time, parent.timestamp + 1), line)

    def _keep(self, draft: _Draft, time: int, line: list[Block]) -> Block:
        block = draft.block(time, line)
        line.append(block)
        self.by_hash[block.hash] = block
        return block


class _Draft:
    """A block in the making: copies of the parent's state on the first write."""

    def __init__(
        self, number: int, digest: bytes, parent: Block | None, state: State, failing: dict[bytes, str], touch: dict[bytes, int]
    ) -> None:
        self._number, self._parent = number, parent
        self._hash = digest
        self._state, self._failing, self._last_touch = state, failing, touch
        self._own: set[bytes] = set()
        self._logs: list[Log] = []
        self._touched: dict[bytes, None] = {}

    def apply(self, change: Change) -> None:
        """One change, with its log."""
        getattr(self, "_" + change.kind)(change)

    def _add(self, contract: bytes, wallet: bytes, value: int) -> int:
        if not self._own:
            self._state = dict(self._state)
        if contract not in self._own:
            self._own.add(contract)
            self._state[contract] = dict(self._state[contract])
        held = self._state[contract]
        held[wallet] = max(0, held.get(wallet, 0) + value)
        return held[wallet]

    def _log(self, contract: bytes, topics: Sequence[str], data: bytes, wallets: Sequence[bytes] = ()) -> None:
        number, tx = hex(self._number), _digest(self._hash, len(self._logs).to_bytes(4, "big"))
        self._logs.append({
            "address": "0x" + contract.hex(), "topics": list(topics), "data": "0x" + data.hex(), "blockHash": "0x" + self._hash.hex(),
            "blockNumber": number, "transactionHash": "0x" + tx.hex(), "transactionIndex": hex(len(self._logs)),
            "logIndex": hex(len(self._logs)), "removed": False,
        })  # fmt: skip
        self._touched.update(dict.fromkeys(wallet for wallet in wallets if wallet != ZERO))

    def _transfer(self, change: Change) -> None:
        value = change.value
        if change.wallet != ZERO:
            value = min(value, self._state[TOKEN].get(change.wallet, 0))
            self._add(TOKEN, change.wallet, -value)
        if change.other != ZERO:
            self._add(TOKEN, change.other, value)
        pair = change.wallet, change.other
        self._log(TOKEN, [TRANSFER, *map(_topic, pair)], _word(value), pair)

    def _stake(self, change: Change) -> None:
        total = self._add(STAKING, change.wallet, change.value)
        self._log(STAKING, [STAKED, _topic(change.wallet)], _word(abs(change.value)) + _word(total), [change.wallet])

    def _delegate(self, change: Change) -> None:
        self._add(DELEGATION, change.wallet, change.value)
        pair = change.wallet, change.other
        self._log(DELEGATION, [DELEGATED], b"".join(map(_pad, pair)) + _word(abs(change.value)), pair)

    def _native(self, change: Change) -> None:
        self._add(NATIVE, change.wallet, change.value)

    def _nft(self, change: Change) -> None:
        """ERC-721's Transfer: the same topic, but the third value is indexed as well."""
        self._log(TOKEN, [TRANSFER, _topic(change.wallet), _topic(change.other), "0x" + _word(change.value).hex()], b"")

    def _garbled(self, change: Change) -> None:
        """A Transfer that does not decode: data of another length, a topic too few, or a topic that is no address."""
        wallet, other = _topic(change.wallet), _topic(change.other)
        variants = (([wallet, other], bytes(31)), ([wallet], bytes(64)), (["0x" + "ff" * 32, other], bytes(32)))
        topics, data = variants[change.value % 3]
        self._log(TOKEN, [TRANSFER, *topics], data)

    def _fail(self, change: Change) -> None:
        assert change.mode in FAILURES
        self._failing = {**self._failing, change.wallet: change.mode}

    def _mend(self, change: Change) -> None:
        self._failing = {wallet: mode for wallet, mode in self._failing.items() if wallet != change.wallet}

    def block(self, time: int, line: list[Block]) -> Block:
        """The finished block."""
        if self._touched:
            self._last_touch = {**self._last_touch, **dict.fromkeys(self._touched, self._number)}
        parent, mix = self._parent.hash if self._parent is not None else bytes(32), _digest(self._hash, b"mix")
        words = {"hash": self._hash, "parentHash": parent, "mixHash": mix}
        header = {"number": hex(self._number), "timestamp": hex(time), "difficulty": "0x0"}
        header |= {name: "0x" + value.hex() for name, value in words.items()}
        return Block(
            self._number, self._hash, self._parent, time, mix, tuple(self._logs), self._state, self._failing, self._last_touch,
            tuple(self._touched), header, line,
        )  # fmt: skip


def wallet_of(index: int) -> bytes:
    """A wallet."""
    return _digest(b"simulated wallet", index.to_bytes(8, "big"))[12:]


def random_changes(rng: random.Random, wallets: Sequence[bytes], most: int = 4) -> list[Change]:
    """What happens in one block: often nothing. Low wallets are busy, so that the others rest for long."""
    return [_random_change(rng, wallets) for _ in range(max(0, rng.randint(-most, most)))]


def _random_change(rng: random.Random, wallets: Sequence[bytes]) -> Change:
    first, second = (wallets[int(len(wallets) * rng.random() ** 3)] for _ in range(2))
    kind, value = rng.random(), rng.randrange(10**18)
    if kind < 0.55:
        end = rng.random()  # mints and burns among them
        return Change("transfer", ZERO if end < 0.1 else first, ZERO if end > 0.95 else second, value)
    if kind < 0.75:
        return Change("stake", first, value=value - 10**17)
    if kind < 0.92:
        return Change("delegate", first, second, value - 10**17)
    return Change("nft" if kind < 0.96 else "garbled", first, second, value)


def config_toml(urls: Sequence[str], ws_urls: Sequence[str], chain: str = "", asset: str = "") -> str:
    """The [[chain]] and [[asset]] that watch the simulated chain; `chain` and `asset` are further lines of each."""
    sources = "\n".join(f'  {{ contract = "0x{to.hex()}", call = "{call}" }},' for to, call in VIEWS.items())
    triggers = "\n".join(
        f'  {{ contract = "0x{to.hex()}", event = "{event}", wallets = {list(wallets)} }},'.replace("'", '"')
        for to, event, wallets in TRIGGERS
    )
    return f"""
[[chain]]
name = "sim"
chain_id = {CHAIN_ID}
http = {_list(urls)}
{"ws = " + _list(ws_urls) if ws_urls else ""}
{chain}

[[asset]]
name = "SIM"
chain = "sim"
table = "eth_wallet_balances"
checkpoint = "sim_transfers"
{asset}
sources = [
{sources}
]
triggers = [
{triggers}
]
"""


TRIGGERS = (
    (TOKEN, "Transfer(address indexed from, address indexed to, uint256 value)", ("from", "to")),
    (STAKING, "Staked(address indexed user, uint256 amount, uint256 total)", ("user",)),
    (DELEGATION, "Delegated(address delegator, address target, uint256 amount)", ("delegator", "target")),
)


def _list(urls: Sequence[str]) -> str:
    return "[" + ", ".join(f'"{url}"' for url in urls) + "]"


def _digest(*parts: bytes) -> bytes:
    return hashlib.blake2b(b"".join(parts), digest_size=32).digest()


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _pad(wallet: bytes) -> bytes:
    return bytes(12) + wallet


def _topic(wallet: bytes) -> str:
    return "0x" + _pad(wallet).hex()
