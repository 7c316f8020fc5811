"""Headers of blocks, answered or pushed."""

from __future__ import annotations

from actors.errors import BadAnswer
from actors.evm.block import Header
from actors.health import _moment
from tests.fuzz.documents import BLOCK, HEADER
from tests.fuzz.draw import Draw
from tests.fuzz.promise import is_plain, keep


def target(data: bytes) -> None:
    draw = Draw(data)
    changed = draw.changed(BLOCK)
    try:
        header = Header.from_json(changed)
    except BadAnswer as error:
        is_plain(str(error))
        return
    keep(header.number == int(changed["number"], 16) and 0 <= header.number < 2**63, "its number")
    keep(0 <= header.timestamp < 2**63, "its timestamp")
    keep({len(header.hash), len(header.parent), len(header.prevrandao)} == {32}, "its hashes")
    keep(changed != BLOCK or header == HEADER, "a block as it is")
    _moment(header.timestamp)


SEEDS = (b"\x00", b"\x01\x01\x00\x01\x01", b"\x02\x01\x04\x01\x01\x05\x01\x05")
