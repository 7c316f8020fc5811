"""A page of logs by columns: which wallets it names, and the newest block of each, at a fraction of what `decode_log` costs for each log.

It knows logs only as they nearly always are. A page in which anything is otherwise it declines, whatever it is: that one is decoded log by
log, and what is found or refused there is what counts; so are logs of another shape. Thousands of logs name each wallet again and again,
and blocks come in order, so almost everything is checked once a block or once a wallet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, repeat
from typing import Any

from actors.evm.abi import static_words
from actors.evm.logs import ZERO, Trigger

COLUMNS = ("topics", "data", "blockNumber", "blockHash", "logIndex", "removed")
WORD_CHARS = 64
CLEAN = "0x" + 24 * "0"
UNEXPECTED = (LookupError, TypeError, ValueError, AttributeError)
LogId = tuple[bytes, int, int]


@dataclass(frozen=True, slots=True)
class Shape:
    """How a trigger's logs look: how many topics and characters of data they have, and which topics are wallets."""

    contract: str
    topic0: str
    topics: int
    data_chars: int
    wallets: tuple[int, ...]


@dataclass(frozen=True)
class Asked:
    """A question: logs of blocks `first` to `last`. Those of block `target` are of `target_hash`; ids are wanted above `ids_above`."""

    first: int
    last: int
    target: int
    target_hash: bytes
    ids_above: float


@dataclass
class Found:
    """Each wallet's newest block, and the ids of logs. `others` are of no shape, and still to be decoded."""

    newest: dict[bytes, int] = field(default_factory=dict)
    ids: set[LogId] = field(default_factory=set)
    others: list[Mapping[str, Any]] = field(default_factory=list)


def shapes_of(triggers: Sequence[Trigger]) -> tuple[Shape, ...]:
    """The shapes of those triggers whose logs can be read by columns: wallets in topics, data of one size, and no other trigger of the
    same event.
    """
    events = Counter((trigger.contract, trigger.event.topic0) for trigger in triggers)
    shapes = [_shape(trigger) for trigger in triggers if events[trigger.contract, trigger.event.topic0] == 1]
    return tuple(shape for shape in shapes if shape is not None)


def _shape(trigger: Trigger) -> Shape | None:
    params = trigger.event.params
    words = [static_words(param.type) for param in params if not param.indexed]
    indexed = [param.name for param in params if param.indexed]
    if None in words or not set(trigger.wallets) <= set(indexed):
        return None
    wallets = tuple(indexed.index(name) + 1 for name in dict.fromkeys(trigger.wallets))
    chars = 2 + WORD_CHARS * sum(word or 0 for word in words)
    return Shape(_hex(trigger.contract), _hex(trigger.event.topic0), len(indexed) + 1, chars, wallets)


def by_columns(shapes: Sequence[Shape], entries: Sequence[Mapping[str, Any]], asked: Asked) -> Found | None:
    """What a page says; None where all of it is to be decoded log by log."""
    found = Found()
    own: dict[tuple[str, str], list[Mapping[str, Any]]] = {(shape.contract, shape.topic0): [] for shape in shapes}
    try:
        for entry in entries:
            own.get((entry["address"], entry["topics"][0]), found.others).append(entry)
        for shape in shapes:
            some = own[shape.contract, shape.topic0]
            if some and not _take(shape, some, asked, found):
                return None
    except UNEXPECTED:
        return None
    return found


def _take(shape: Shape, entries: Sequence[Mapping[str, Any]], asked: Asked, found: Found) -> bool:
    """Take in one trigger's logs, if they all are as expected."""
    topics, data, numbers, hashes, indexes, removed = ([entry[name] for entry in entries] for name in COLUMNS)
    blocks = _blocks(numbers, hashes, asked)
    if blocks is None or any(removed) or set(map(len, topics)) != {shape.topics} or not _are_words(data, shape.data_chars):
        return False
    order = list(map(int, indexes, repeat(16)))
    columns = list(zip(*topics, strict=True))
    others = [columns[at] for at in range(1, shape.topics) if at not in shape.wallets]
    if min(order) < 0 or not all(_are_words(column, 2 + WORD_CHARS) for column in others):
        return False
    if asked.last > asked.ids_above:
        ids = zip(order, numbers, strict=True)
        found.ids |= {(blocks[n][1], at, blocks[n][0]) for at, n in ids if blocks[n][0] > asked.ids_above}
    return all(_newest(columns[at], numbers, blocks, found.newest) for at in shape.wallets)


def _blocks(numbers: Sequence[str], hashes: Sequence[str], asked: Asked) -> dict[str, tuple[int, bytes]] | None:
    """The blocks by their numbers as they are written; None unless they rise, were asked for, and have one hash each."""
    blocks: dict[str, tuple[int, bytes]] = {}
    before = asked.first - 1
    for (written, hash_text), _ in groupby(zip(numbers, hashes, strict=True)):
        number, value = int(written, 16), bytes.fromhex(hash_text.removeprefix("0x"))
        wrong = number == asked.target and value != asked.target_hash
        if wrong or not before < number <= asked.last or len(value) != 32:
            return None
        before = number
        blocks[written] = number, value
    return blocks


def _are_words(texts: Sequence[str], chars: int) -> bool:
    """Whether each is `0x` and hex digits, so many characters in all.

    As all are equally long, a `0x` in another place than at the start of each shows in the lengths of what is between them; and blanks, which
    `fromhex` passes over, in the number of bytes.
    """
    first, *rest = "".join(texts).split("0x")
    digits = "".join(rest)
    alike = set(map(len, texts)) == {chars} and not first and set(map(len, rest)) == {chars - 2}
    return alike and len(bytes.fromhex(digits)) * 2 == len(digits)


def _newest(topics: Sequence[str], numbers: Sequence[str], blocks: Mapping[str, tuple[int, bytes]], newest: dict[bytes, int]) -> bool:
    """Note each wallet's last block in a column of topics. False where one of them is no clean address."""
    for topic, written in dict(zip(topics, numbers, strict=True)).items():
        wallet = bytes.fromhex(topic[len(CLEAN) :])
        if len(wallet) != 20 or not topic.startswith(CLEAN):
            return False
        number = blocks[written][0]
        if wallet != ZERO and number > newest.get(wallet, -1):
            newest[wallet] = number
    return True


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
