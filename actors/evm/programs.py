"""The programs that read many wallets in one `eth_call`: put in the place of an account's code by a state override (*packed*), or run as
the code that would deploy a contract (*deployless*).

What is asked comes as packed 20-byte addresses, in groups of one list of sources each: the call's data, or what follows the program. What
is answered are the attested words (see `attest`), then one word of `width` bytes a wallet. All ones is a wallet that failed, or one whose
sum does not fit in less than that.

Memory: 0x00 a selector in the word's last four bytes, 0x20 the wallet in the last twenty, so that 0x1c to 0x40 is the data of a call
`f(address)`; 0x40 what a source answered; from 0x60 on the answer. On the stack, `out` is where the next word of it goes, `at` where the
next address is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

from actors.evm.abi import parse_call
from actors.evm.assembler import assemble
from actors.evm.source import Source

WORD = 32
ANSWER_AT = 0x60
ADDRESS = 20
EXPLAINED = 3 * WORD
ARBSYS = bytes(19) + b"\x64"
ARB_BLOCK_NUMBER, ARB_BLOCK_HASH = parse_call("arbBlockNumber()").hex(), parse_call("arbBlockHash(uint256)").hex()
Group = tuple[tuple[Source, ...], int]  # the sources of so many wallets that follow each other

# The stack is left as it was found, empty.
ATTEST = """
    GAS 0x60 MSTORE                  ; what the node gives to a call, less what the data costs
    NUMBER 0x80 MSTORE
    1 NUMBER SUB BLOCKHASH 0xa0 MSTORE
    TIMESTAMP 0xc0 MSTORE
    PREVRANDAO 0xe0 MSTORE
    CHAINID 0x100 MSTORE
"""
# On Arbitrum NUMBER and BLOCKHASH are about the other chain's blocks. A call that fails leaves the word at zero, which attests nothing.
ATTEST_ARBITRUM = f"""
    GAS 0x60 MSTORE
    0x{ARB_BLOCK_NUMBER} 0 MSTORE
    32 0x80 4 0x1c 0x{ARBSYS.hex()} GAS STATICCALL POP
    0x{ARB_BLOCK_HASH} 0 MSTORE
    1 0x80 MLOAD SUB 0x20 MSTORE
    32 0xa0 36 0x1c 0x{ARBSYS.hex()} GAS STATICCALL POP
    TIMESTAMP 0xc0 MSTORE
    PREVRANDAO 0xe0 MSTORE
    CHAINID 0x100 MSTORE
"""
ATTESTED_WORDS = 6
GAS_LEFT_AT = ANSWER_AT + ATTESTED_WORDS * WORD
FIRST_AT = GAS_LEFT_AT + WORD

LOOP = """
next{group}:                             ; out at
    DUP1 {end} EQ @done{group} JUMPI
    20 DUP2 0x2c {copy}              ; the wallet, the last twenty bytes of the word at 0x20
    1 0                              ; out at ok sum
{sources}
    SWAP1 1 SWAP1 SUB OR             ; out at word: sum | (ok - 1), all ones unless ok
{narrow}
    DUP3 MSTORE
    20 ADD SWAP1 {width} ADD SWAP1
    @next{group} JUMP
done{group}:
"""
# out at ok sum -> out at ok sum good value
ASK = """
    0x{selector} 0 MSTORE
    0x20 0x40 0x24 0x1c 0x{contract} GAS STATICCALL
    0x20 RETURNDATASIZE EQ AND       ; a target without code succeeds, and returns nothing
    0x40 MLOAD
"""
BALANCE = """
    1 0x20 MLOAD BALANCE
"""
# out at ok sum good value -> out at ok sum
ADD = """
    DUP1 DUP4 ADD                    ; ok sum good value sum+value
    SWAP3 POP                        ; ok sum' good value
    DUP3 LT ISZERO AND               ; ok sum' good': nor has the sum gone round
    SWAP1 SWAP2 AND SWAP1            ; ok' sum'
"""
# A word that needs more than 16 bytes, or would be all ones in them, becomes all ones; then the upper half is written.
NARROW = """
    0xffffffffffffffffffffffffffffffff DUP2 LT
    1 SWAP1 SUB OR 128 SHL
"""
# One wallet, source by source: whether the call succeeded, how many bytes it returned, and the first word of them.
EXPLAIN_WALLET = """
    20 {at} 0x2c {copy}
"""
EXPLAIN_ASK = """
    0 0x40 MSTORE
    0x{selector} 0 MSTORE
    0x20 0x40 0x24 0x1c 0x{contract} GAS STATICCALL
    {out} MSTORE
    RETURNDATASIZE {out_size} MSTORE
    0x40 MLOAD {out_word} MSTORE
"""
EXPLAIN_BALANCE = """
    1 {out} MSTORE
    32 {out_size} MSTORE
    0x20 MLOAD BALANCE {out_word} MSTORE
"""
ANCESTOR = """
    0x{number:08x} BLOCKHASH {out} MSTORE
"""
ARB_ANCESTOR = f"""
    0x{ARB_BLOCK_HASH} 0 MSTORE
    0x{{number:08x}} 0x20 MSTORE
    32 {{out}} 36 0x1c 0x{ARBSYS.hex()} GAS STATICCALL POP
"""


@lru_cache(maxsize=256)
def sums(groups: tuple[Group, ...], width: int, arbsys: bool, deployless: bool) -> bytes:
    """A word of `width` bytes (16 or 32) for each wallet of the groups."""

    def build(base: int) -> str:
        at, parts = base, []
        for number, (sources, count) in enumerate(groups):
            at += ADDRESS * count
            asked = "".join(_ask(source) + ADD for source in sources)
            parts.append(
                LOOP.format(
                    group=number, end=f"0x{at:06x}", copy=_copy(deployless), sources=asked, width=width, narrow=NARROW if width == 16 else ""
                )
            )
        done = f"GAS 0x{GAS_LEFT_AT:x} MSTORE POP 0x{ANSWER_AT:x} SWAP1 SUB 0x{ANSWER_AT:x} RETURN"
        return "\n".join([_attest(arbsys), f"0x{FIRST_AT:x} 0x{base:06x}  ; out at", *parts, done])

    return _placed(build, deployless)


@lru_cache(maxsize=64)
def explained(sources: tuple[Source, ...], arbsys: bool, deployless: bool) -> bytes:
    """Three words a source for a single wallet."""

    def build(base: int) -> str:
        parts = [_attest(arbsys), EXPLAIN_WALLET.format(at=f"0x{base:06x}", copy=_copy(deployless))]
        for number, source in enumerate(sources):
            out = FIRST_AT + EXPLAINED * number
            places = {"out": f"0x{out:x}", "out_size": f"0x{out + WORD:x}", "out_word": f"0x{out + 2 * WORD:x}"}
            form = EXPLAIN_BALANCE if source.contract is None else EXPLAIN_ASK
            parts.append(form.format(**places, **_names(source)))
        return "\n".join([*parts, _finish(EXPLAINED * len(sources))])

    return _placed(build, deployless)


def ancestors(numbers: Sequence[int], arbsys: bool, deployless: bool) -> bytes:
    """The hash of each block of these numbers, a word each; zero where the chain does not tell."""
    form = ARB_ANCESTOR if arbsys else ANCESTOR
    asked = [form.format(number=number, out=f"0x{FIRST_AT + WORD * at:x}") for at, number in enumerate(numbers)]
    return _placed(lambda base: "\n".join([_attest(arbsys), *asked, _finish(WORD * len(numbers))]), deployless)


def _placed(build: Callable[[int], str], deployless: bool) -> bytes:
    """Assembled for where its addresses are: at the beginning of the call's data, or behind its own code, whose size does not depend on
    that.
    """
    return assemble(build(len(assemble(build(0))) if deployless else 0))


def _finish(size: int) -> str:
    return f"GAS 0x{GAS_LEFT_AT:x} MSTORE 0x{FIRST_AT - ANSWER_AT + size:x} 0x{ANSWER_AT:x} RETURN"


def _attest(arbsys: bool) -> str:
    return ATTEST_ARBITRUM if arbsys else ATTEST


def _copy(deployless: bool) -> str:
    return "CODECOPY" if deployless else "CALLDATACOPY"


def _names(source: Source) -> dict[str, str]:
    if source.contract is None or source.selector is None:
        return {}
    return {"contract": source.contract.hex(), "selector": source.selector.hex()}


def _ask(source: Source) -> str:
    return BALANCE if source.contract is None else ASK.format(**_names(source))
