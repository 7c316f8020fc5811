"""A small EVM assembler: words in, code out. Imports nothing of the rest.

A program is text. `;` begins a comment. A number (decimal or `0x…`) is pushed in as few bytes as it takes, but as many as are written in
hex; `NAME:` is a place that can be jumped to, `@NAME` pushes where that is; all else is an instruction by its name in the yellow paper.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

OPCODES = {
    "STOP": 0x00, "ADD": 0x01, "MUL": 0x02, "SUB": 0x03, "DIV": 0x04, "LT": 0x10, "GT": 0x11, "EQ": 0x14, "ISZERO": 0x15, "AND": 0x16,
    "OR": 0x17, "XOR": 0x18, "NOT": 0x19, "SHL": 0x1B, "SHR": 0x1C, "BALANCE": 0x31, "CALLDATACOPY": 0x37, "CODECOPY": 0x39,
    "RETURNDATASIZE": 0x3D, "BLOCKHASH": 0x40, "TIMESTAMP": 0x42, "NUMBER": 0x43, "PREVRANDAO": 0x44, "CHAINID": 0x46, "POP": 0x50,
    "MLOAD": 0x51, "MSTORE": 0x52, "JUMP": 0x56, "JUMPI": 0x57, "GAS": 0x5A, "JUMPDEST": 0x5B, "RETURN": 0xF3, "STATICCALL": 0xFA,
    "REVERT": 0xFD,
}  # fmt: skip
PUSH1, DUP1, SWAP1 = 0x60, 0x80, 0x90
STACKED = re.compile(r"(DUP|SWAP)([1-9]|1[0-6])")
NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+")


def assemble(text: str) -> bytes:
    """The program's code. Raises ValueError on a word that is none, or a place that is missing or there twice."""
    code, places, jumps = bytearray(), {}, []
    for word in _words(text):
        if word.endswith(":"):
            if word[:-1] in places:
                raise ValueError(f"{word} is there twice")
            places[word[:-1]] = len(code)
            code.append(OPCODES["JUMPDEST"])
        elif word.startswith("@"):
            jumps.append((len(code) + 1, word[1:]))
            code += bytes([PUSH1 + 1, 0, 0])
        else:
            code += _instruction(word)
    for at, name in jumps:
        if name not in places:
            raise ValueError(f"nothing is called {name}")
        code[at : at + 2] = places[name].to_bytes(2, "big")
    return bytes(code)


def _words(text: str) -> Iterator[str]:
    for line in text.splitlines():
        yield from line.partition(";")[0].split()


def _instruction(word: str) -> bytes:
    if word in OPCODES:
        return bytes([OPCODES[word]])
    if stacked := STACKED.fullmatch(word):
        return bytes([(DUP1 if stacked[1] == "DUP" else SWAP1) + int(stacked[2]) - 1])
    if not NUMBER.fullmatch(word):
        raise ValueError(f"no such instruction: {word}")
    value = int(word, 0) if word.startswith("0x") else int(word)
    size = max(1, (value.bit_length() + 7) // 8, (len(word) - 1) // 2 if word.startswith("0x") else 0)
    if size > 32:
        raise ValueError(f"more than a word: {word}")
    return bytes([PUSH1 + size - 1]) + value.to_bytes(size, "big")
