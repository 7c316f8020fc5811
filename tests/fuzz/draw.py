"""Choices out of bytes: the same bytes make the same choices, and where they are used up each choice is the first one.

Bytes alone would never get past a parser's first check. So a target begins with what is valid, and lets the bytes say what becomes of it;
whoever mutates the bytes (hypothesis, or libFuzzer by coverage) mutates documents.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")
DEEP = "@deep@"  # stands for lists in lists, which no encoder would write
LEVELS = 1000
LONG = "9" * 5000  # more digits than Python makes a number of
SCALARS: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**53 + 1, 2**63, 2**64 - 1, -(2**63), 0.5, 1e308, "", "0x", "0x0", "0x1", "0x01", "0X1", "0x_1", " 0x1 ",
    "0xzz", "-0x1", "1", "0x" + "f" * 64, "0x" + "0" * 64, "0x" + "f" * 15, "0x" + "f" * 40, "0x" + "ab " * 32, LONG, "0x" + LONG, "٣", "\0",
    "\x1b[31m\x07", "\u202e\u2028", "a\nb\r\n", "é", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "nan", "Infinity",
    "latest", "https://user:hunter2@host/key", [], {}, [[]], {"": None}, DEEP,
)  # fmt: skip


class Draw:
    """See the module."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def over(self) -> bool:
        """Whether nothing is left to choose by."""
        return self._at >= len(self._data)

    def byte(self) -> int:
        """The next byte, or 0."""
        self._at += 1
        return 0 if self._at > len(self._data) else self._data[self._at - 1]

    def number(self, most: int) -> int:
        """From 0 to `most`."""
        value, room = self.byte(), 256
        while room <= most:
            value, room = value << 8 | self.byte(), room << 8
        return value % (most + 1)

    def flag(self) -> bool:
        """Yes or no; no where nothing is left."""
        return bool(self.byte() & 1)

    def pick(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.number(len(options) - 1)]

    def blob(self, most: int) -> bytes:
        """Some of the bytes themselves."""
        size = self.number(most)
        found = self._data[self._at : self._at + size]
        self._at += size
        return found

    def rest(self) -> bytes:
        """All that is left."""
        return self.blob_at(len(self._data))

    def blob_at(self, end: int) -> bytes:
        """The bytes up to there."""
        found, self._at = self._data[self._at : end], max(self._at, end)
        return found

    def text(self, most: int = 40) -> str:
        """A text, of whatever characters."""
        return self.pick([str(each) for each in SCALARS]) if self.flag() else self.blob(most).decode("utf-8", "replace")

    def value(self, depth: int = 3) -> Any:
        """Any JSON."""
        kind = self.number(7)
        if kind == 0 and depth:
            return [self.value(depth - 1) for _ in range(self.number(3))]
        if kind == 1 and depth:
            return {self.text(8): self.value(depth - 1) for _ in range(self.number(3))}
        return self.text() if kind == 2 else self.number(2**32) if kind == 3 else self.pick(SCALARS)

    def changed(self, value: Any) -> Any:
        """The same JSON with up to three changes anywhere in it; the value itself is left alone."""
        for _ in range(self.number(3)):
            value = self._changed(value)
        return value

    def _changed(self, value: Any) -> Any:
        if isinstance(value, dict) and value and self.number(7):
            name = self.pick(list(value))
            kept = {key: each for key, each in value.items() if key != name}
            return kept if not self.number(5) else {**value, name: self._changed(value[name])}
        if isinstance(value, list) and value and self.number(7):
            at, how = self.number(len(value) - 1), self.number(5)
            put = [[], [value[at], value[at]]][how] if how < 2 else [self._changed(value[at])]
            return [*value[:at], *put, *value[at + 1 :]]
        return self._changed_text(value) if isinstance(value, str) and self.number(2) else self.value()

    def _changed_text(self, text: str) -> str:
        at, put = self.number(len(text)), self.pick(("", "0", "f", " ", "F", "x", "0x", "\n", "_", "-", ",", "\0", "g"))
        changes = (text[:at] + put + text[at:], text[:at] + put + text[at + 1 :], text[:at], text[at:], text.upper(), text + text, text[:at] + put)
        return self.pick(changes)


def encoded(value: Any) -> bytes:
    """The value as JSON, with what stands for too deep a nesting put in."""
    deep = b"[" * LEVELS + b"]" * LEVELS
    return json.dumps(value).encode().replace(f'"{DEEP}"'.encode(), deep)
