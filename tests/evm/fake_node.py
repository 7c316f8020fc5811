"""A node that plays Multicall3, and runs programs, in Python, with the faults that real ones have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eth_abi.abi import decode, encode

from actors.errors import NodeBehind, NodeError, Permanent, TooLarge
from actors.evm.abi import parse_call
from actors.evm.aggregate3 import word
from actors.evm.block import Header
from actors.evm.keccak import keccak
from tests.evm.mini_evm import Around, Halt, run

MULTICALL3 = bytes.fromhex("ca11bde05977b3631167028862be2a173976ca11")
ARBSYS = bytes(19) + b"\x64"
CHAIN_ID = 31337


def header_of(number: int, branch: str = "main") -> Header:
    """A block that all tests agree on."""
    name = f"{branch} {number}".encode()
    parent = keccak(f"{branch} {number - 1}".encode())
    return Header(number, keccak(name), parent, 1_700_000_000 + number, keccak(b"mix of " + name))


def as_it_is(answer: Any) -> Any:
    """No fault."""
    return answer


@dataclass
class FakeNode:
    """`answers` are the contracts' views: by (contract, selector), what a wallet gets; None reverts."""

    head: int = 10
    hash_pins: bool | None = None
    number_from_arbsys: bool = False
    probed: bool = False
    rungs: tuple[str, ...] = ()
    overrides: bool = True
    deploys: bool = True
    chain_id: int = CHAIN_ID
    arbitrum: bool = False
    takes_hashes: bool = True
    ignores_block: bool = False
    takes_any_hash: bool = False
    has_multicall3: bool = True
    gas: int = 30_000_000
    refusal: NodeError = field(default_factory=lambda: NodeBehind("header not found"))
    answers: dict[tuple[bytes, bytes], Callable[[bytes], bytes | None]] = field(default_factory=dict)
    native: dict[bytes, int] = field(default_factory=dict)
    disturb: Callable[[Header], Header] = as_it_is
    reply: Callable[[str], Any] = as_it_is
    asked: list[tuple[str, list[Any]]] = field(default_factory=list)

    async def header(self, at: int | str) -> Header | None:
        self.asked.append(("header", [at]))
        number = self.head if isinstance(at, str) else at
        return header_of(number) if 0 <= number <= self.head else None

    async def batch(self, calls: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        found: list[Any] = []
        for method, params in calls:
            try:
                found.append(await self.call(method, params))
            except NodeError as error:
                found.append(error)
        return found

    async def call(self, method: str, params: list[Any]) -> Any:
        self.asked.append((method, params))
        if method == "eth_blockNumber":
            return hex(self.head)
        if method == "eth_getBalance":
            header = self._block(params[1])
            return hex(self.native.get(bytes.fromhex(params[0][2:]), 0))
        if method == "eth_getCode":
            return "0x6080" if self.has_multicall3 else "0x"
        assert method == "eth_call"
        call, where = params[:2]
        header = self.disturb(self._block(where))
        data = bytes.fromhex(call["data"][2:])
        if "to" not in call:
            return self.reply("0x" + self._run(header, data, b"").hex()) if self.deploys else "0x"
        if len(params) > 2:
            (code,) = (account["code"] for account in params[2].values())
            return self.reply("0x" + self._run(header, bytes.fromhex(code[2:]), data).hex()) if self.overrides else "0x"
        if call["to"] != "0x" + MULTICALL3.hex():
            result = self._view(header, bytes.fromhex(call["to"][2:]), data)
            if result is None:
                raise Permanent("execution reverted")
            return "0x" + result.hex()
        assert data[:4].hex() == "82ad56cb"
        (calls,) = decode(["(address,bool,bytes)[]"], data[4:])
        results = [self._view(header, bytes.fromhex(target[2:]), data) for target, _, data in calls]
        pairs = [(result is not None, result or b"") for result in results]
        return self.reply("0x" + encode(["(bool,bytes)[]"], [pairs]).hex())

    def _run(self, header: Header, code: bytes, data: bytes) -> bytes:
        def call(to: bytes, sent: bytes) -> tuple[bool, bytes]:
            result = self._view(header, to, sent)
            return result is not None, result or b""

        def block_hash(number: int) -> bytes:
            behind = self._seen(header).number - number
            return self._seen(header).parent if behind == 1 else header_of(number).hash if 1 < behind <= 256 else bytes(32)

        seen = self._seen(header)
        around = Around(
            seen.number, seen.timestamp, seen.prevrandao, self.chain_id, block_hash, lambda wallet: self.native.get(wallet, 0), call
        )
        try:
            return run(code, data, around, self.gas)
        except Halt as error:
            raise TooLarge(str(error)) from error

    def _seen(self, header: Header) -> Header:
        return header if not self.arbitrum else replace(header, number=20_000_000 + header.number, parent=keccak(b"made up"))

    def _block(self, where: Any) -> Header:
        if self.ignores_block:
            return header_of(self.head)
        if isinstance(where, str):
            return header_of(int(where, 16))
        assert where["requireCanonical"] is True
        if not self.takes_hashes:
            raise Permanent("invalid argument 1")
        for number in range(self.head + 1):
            if "0x" + header_of(number).hash.hex() == where["blockHash"]:
                return header_of(number)
        if self.takes_any_hash:
            return header_of(self.head)
        raise self.refusal

    def _view(self, header: Header, target: bytes, data: bytes) -> bytes | None:
        selector, argument = data[:4], data[4:]
        if target == MULTICALL3:
            return self._own(header, selector, argument)
        if target == ARBSYS and self.arbitrum:
            if selector == parse_call("arbBlockNumber()"):
                return word(header.number)
            return header.parent if argument == word(header.number - 1) else None
        view = self.answers.get((target, selector))
        return b"" if view is None else view(argument[12:])

    def _own(self, header: Header, selector: bytes, argument: bytes) -> bytes:
        seen = self._seen(header)
        if selector == parse_call("getBlockHash(uint256)"):
            asked = int.from_bytes(argument, "big")
            return header_of(asked).hash if 0 < header.number - asked <= 256 else bytes(32)
        if selector == parse_call("getEthBalance(address)"):
            return word(self.native.get(argument[12:], 0))
        return {
            parse_call("getBlockNumber()"): word(seen.number),
            parse_call("getLastBlockHash()"): seen.parent,
            parse_call("getCurrentBlockTimestamp()"): word(seen.timestamp),
            parse_call("getCurrentBlockDifficulty()"): seen.prevrandao,
            parse_call("getChainId()"): word(self.chain_id),
        }[selector]
