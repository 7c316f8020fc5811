"""The archive inside the executable: found by its section's name, and only there."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from actors.errors import TrueupError
from actors.sandbox import carried
from actors.sandbox.carried import unpack, unpacked

needs_objcopy = pytest.mark.skipif(shutil.which("objcopy") is None, reason="no objcopy")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """Some ELF file."""
    return Path(shutil.copy(shutil.which("true") or sys.executable, tmp_path / "program"))


def archive(path: Path, name: str, text: bytes) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = len(text), 0o755
        tar.addfile(entry, io.BytesIO(text))
    return path


@needs_objcopy
def test_what_was_put_into_the_section_is_unpacked(program: Path, tmp_path: Path) -> None:
    packed = archive(tmp_path / "packed", "bin/tool", b"#!/bin/sh\necho here\n")
    more = tmp_path / "more"
    more.write_bytes(bytes(100_000))
    subprocess.run(["objcopy", f"--add-section={carried.SECTION}={packed}", f"--add-section=pydata={more}", program], check=True)
    unpack(program, tmp_path / "out")
    assert subprocess.run([tmp_path / "out" / "bin" / "tool"], capture_output=True).stdout == b"here\n"


def test_an_executable_without_it_says_so(program: Path, tmp_path: Path) -> None:
    with pytest.raises(TrueupError, match="carries no sandbox"):
        unpack(program, tmp_path / "out")


@needs_objcopy
def test_an_archive_cannot_write_elsewhere(program: Path, tmp_path: Path) -> None:
    packed = archive(tmp_path / "packed", "../outside", b"x")
    subprocess.run(["objcopy", f"--add-section={carried.SECTION}={packed}", program], check=True)
    with pytest.raises(tarfile.OutsideDestinationError):
        unpack(program, tmp_path / "out")
    assert not (tmp_path / "outside").exists()


def test_from_source_nothing_is_unpacked() -> None:
    before = dict(os.environ)
    with unpacked():
        assert dict(os.environ) == before
