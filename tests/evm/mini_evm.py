"""As much of an EVM as the reader's programs need, for nodes that are played in Python. Written from the yellow paper, not from the
assembler: whatever it does not know is an error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

WORD = 2**256
STEP_GAS = 3
CALL_GAS = 700


class Halt(Exception):
    """Out of gas, or an instruction that is none."""


@dataclass
class Around:
    """What a program can ask of the world. `call`: a static call's success and what it returned."""

    number: int
    timestamp: int
    prevrandao: bytes
    chain_id: int
    block_hash: Callable[[int], bytes]
    balance: Callable[[bytes], int]
    call: Callable[[bytes, bytes], tuple[bool, bytes]]
    # What a call burns of the gas that it is given.
    burns: Callable[[bytes, bytes], bool] = lambda to, data: False


class Machine:
    """One run of a program."""

    def __init__(self, code: bytes, data: bytes, around: Around, gas: int) -> None:
        self._code, self._data, self._around, self.gas = code, data, around, gas
        self._stack: list[int] = []
        self._memory = bytearray()
        self._returned = b""

    def run(self) -> bytes:
        """What the program returns. Raises Halt."""
        at = 0
        while True:
            op = self._code[at] if at < len(self._code) else 0
            self.gas -= STEP_GAS
            if self.gas < 0:
                raise Halt("out of gas")
            if 0x60 <= op <= 0x7F:
                size = op - 0x5F
                self._push(int.from_bytes(self._code[at + 1 : at + 1 + size], "big"))
                at += 1 + size
                continue
            if op == 0xF3:
                offset, size = self._pop(), self._pop()
                return self._read(offset, size)
            at = self._jump(op, at) if op in (0x56, 0x57) else self._step(op, at)

    def _jump(self, op: int, at: int) -> int:
        target = self._pop()
        if op == 0x57 and not self._pop():
            return at + 1
        if self._code[target] != 0x5B:
            raise Halt("a jump to nowhere")
        return target

    def _step(self, op: int, at: int) -> int:
        if 0x80 <= op <= 0x8F:
            self._push(self._stack[-(op - 0x7F)])
        elif 0x90 <= op <= 0x9F:
            low = -(op - 0x8E)
            self._stack[-1], self._stack[low] = self._stack[low], self._stack[-1]
        elif op in BINARY:
            first, second = self._pop(), self._pop()
            self._push(BINARY[op](first, second))
        elif op in WORLD:
            self._push(WORLD[op](self))
        elif op in (0x37, 0x39):
            self._copy(self._data if op == 0x37 else self._code)
        elif op == 0xFA:
            self._static_call()
        else:
            self._other(op)
        return at + 1

    def _other(self, op: int) -> None:
        if op == 0x15:
            self._push(int(self._pop() == 0))
        elif op == 0x19:
            self._push(~self._pop())
        elif op == 0x31:
            self._push(self._around.balance(self._pop().to_bytes(32, "big")[12:]))
        elif op == 0x40:
            self._push(int.from_bytes(self._around.block_hash(self._pop()), "big"))
        elif op == 0x50:
            self._pop()
        elif op == 0x51:
            self._push(int.from_bytes(self._read(self._pop(), 32), "big"))
        elif op == 0x52:
            offset = self._pop()
            self._write(offset, self._pop().to_bytes(32, "big"))
        elif op != 0x5B:
            raise Halt(f"no such instruction: {op:#x}")

    def _static_call(self) -> None:
        _, to, offset, size, out, most = (self._pop() for _ in range(6))
        target, data = to.to_bytes(32, "big")[12:], self._read(offset, size)
        given = self.gas - self.gas // 64
        if given < CALL_GAS:
            self.gas -= given
            self._returned = b""
            self._push(0)
            return
        ok, self._returned = self._around.call(target, data)
        self.gas -= given if self._around.burns(target, data) else CALL_GAS
        self._write(out, self._returned[:most])
        self._push(int(ok))

    def _copy(self, source: bytes) -> None:
        to, offset, size = self._pop(), self._pop(), self._pop()
        self._write(to, source[offset : offset + size].ljust(size, b"\0"))

    def _push(self, value: int) -> None:
        self._stack.append(value % WORD)

    def _pop(self) -> int:
        if not self._stack:
            raise Halt("the stack is empty")
        return self._stack.pop()

    def _read(self, offset: int, size: int) -> bytes:
        self._grow(offset + size)
        return bytes(self._memory[offset : offset + size])

    def _write(self, offset: int, data: bytes) -> None:
        self._grow(offset + len(data))
        self._memory[offset : offset + len(data)] = data

    def _grow(self, size: int) -> None:
        if size > 2**24:
            raise Halt("out of gas")
        self._memory.extend(bytes(max(0, size - len(self._memory))))

    def gas_left(self) -> int:
        """As GAS says it."""
        return self.gas

    def world(self) -> Around:
        """What it runs in."""
        return self._around

    def returned(self) -> int:
        """As RETURNDATASIZE says it."""
        return len(self._returned)


BINARY: dict[int, Callable[[int, int], int]] = {
    0x01: lambda a, b: a + b,
    0x02: lambda a, b: a * b,
    0x03: lambda a, b: a - b,
    0x10: lambda a, b: int(a < b),
    0x11: lambda a, b: int(a > b),
    0x14: lambda a, b: int(a == b),
    0x16: lambda a, b: a & b,
    0x17: lambda a, b: a | b,
    0x18: lambda a, b: a ^ b,
    0x1B: lambda shift, value: value << shift if shift < 256 else 0,
    0x1C: lambda shift, value: value >> shift if shift < 256 else 0,
}
WORLD: dict[int, Callable[[Machine], int]] = {
    0x3D: Machine.returned,
    0x42: lambda machine: machine.world().timestamp,
    0x43: lambda machine: machine.world().number,
    0x44: lambda machine: int.from_bytes(machine.world().prevrandao, "big"),
    0x46: lambda machine: machine.world().chain_id,
    0x5A: Machine.gas_left,
}


def run(code: bytes, data: bytes, around: Around, gas: int) -> bytes:
    """What a program returns. Raises Halt."""
    return Machine(code, data, around, gas).run()
