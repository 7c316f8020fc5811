"""A reader who does what a page says: its blocks of commands run in their order, in an empty folder, against a real Postgres and a real chain.

```` ```sh ```` is run, ```` ```toml NAME ```` is written to that file; anything else is shown only. ```` ```sh stopped ```` is run after every service was
stopped. What a reader would have and a test has not is stood in for: `just demo` is the same demo and shorter, the service listens on a
free port, and the contracts that the pages name are those of the town.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import binaries
from actors.sandbox.process import free_port
from actors.sandbox.town import Town
from tests.docs.pages import ROOT, Block, blocks

LONGEST_SECS = 100
STOP_SECS = 60
CONTRACTS = ("0x18aAA7115705e8be94bfFEBDE57Af9BFc265B998", "0xe6D97B2099F142513be7A2a068bE040656Ae4591", "0x4d7968ebfD390D5E7926Cb3587C39eFf2F9FB225")
# `trueup run` is left running once it is ready, as in a terminal of its own; its exit code is kept for the end.
TRUEUP = """#!/usr/bin/env bash
here=$(dirname "$0")/..
case "$1" in
run)
    number=$(find "$here" -name 'run.*.log' | wc -l)
    ( "{python}" -m actors "$@" >"$here/run.$number.log" 2>&1 & echo $! >"$here/run.$number.pid"; wait $!; echo $? >"$here/run.$number.rc" ) >/dev/null 2>&1 &
    until curl -s http://127.0.0.1:1325/readyz >/dev/null; do
        if [ -e "$here/run.$number.rc" ]; then cat "$here/run.$number.log"; exit 1; fi
        sleep 0.1
    done ;;
status | top | kill) exec "{python}" -m actors "$@" --url http://127.0.0.1:{port} ;;
*) exec "{python}" -m actors "$@" ;;
esac
"""
JUST = """#!/usr/bin/env bash
[ "$1" = demo ] || {{ echo "the reader has no recipe $1" >&2; exit 1; }}
exec env -u TRUEUP_SERVER__BIND "{python}" -m actors demo $(echo "${{@:2}}" | sed -E 's/--for [0-9]+/--for 6/; s/--wallets [0-9]+/--wallets 300/')
"""
CURL = """#!{python}
import sys, urllib.request
try:
    print(urllib.request.urlopen(sys.argv[-1].replace("127.0.0.1:1325", "127.0.0.1:{port}"), timeout=60).read().decode())
except OSError as error:
    sys.exit(f"curl: {{error}}")
"""


class Reader:
    """`with Reader(folder, database, anvil, town) as reader: reader.follow(page)`: at the end each service must have stopped cleanly."""

    def __init__(self, folder: Path, database: str, anvil: Anvil, town: Town) -> None:
        self.folder, self.database, self.anvil, self.town = folder, database, anvil, town
        self._port = free_port()
        (folder / "bin").mkdir()
        for name, text in (("trueup", TRUEUP), ("just", JUST), ("curl", CURL)):
            script = folder / "bin" / name
            script.write_text(text.format(python=sys.executable, port=self._port))
            script.chmod(script.stat().st_mode | stat.S_IXUSR)
        shutil.copytree(ROOT / "config", folder / "config")
        for config in (folder / "config").glob("*.toml"):
            config.write_text(self._here(config.read_text()))
        own = {name: value for name, value in os.environ.items() if not name.startswith(("TRUEUP_", "PG", "ETH_", "DATABASE_URL"))}
        path = os.pathsep.join([str(folder / "bin"), str(binaries()), own["PATH"]])
        places = {"DATABASE_URL": database, "ETH_HTTP_URL": anvil.http, "ETH_WS_URL": anvil.ws, "PYTHONPATH": str(ROOT)}
        self._env = {**own, **places, "PATH": path, "TRUEUP_SERVER__BIND": f"127.0.0.1:{self._port}"}

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def _here(self, text: str) -> str:
        """The same with the town's contracts."""
        for written, (contract, _) in zip(CONTRACTS, self.town.sources(), strict=True):
            text = text.replace(written, contract)
        return text

    def follow(self, page: Path) -> list[Block]:
        """Do what the page says; the blocks that were run."""
        done = [block for block in blocks(page) if self._do(block)]
        assert done, f"{page} has no commands"
        return done

    def write_files(self, page: Path) -> None:
        """Only its files, for a page that another one goes on from."""
        for block in blocks(page):
            if block.language == "toml":
                self._do(block)

    def _do(self, block: Block) -> bool:
        if block.language == "toml" and block.words:
            (self.folder / block.words[0]).write_text(self._here(block.text))
        if block.language != "sh":
            return False
        if "stopped" in block.words:
            self.stop()
        self.run(block.text, block.place)
        return True

    def run(self, text: str, place: str = "the test") -> str:
        """What some commands say; fails with it where one of them does."""
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=self.folder, env=self._env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LONGEST_SECS,
        )  # fmt: skip
        assert done.returncode == 0, f"{place}: exit code {done.returncode}\n{text}\n{done.stdout}"
        return done.stdout

    def stop(self) -> None:
        """SIGTERM to each service; each must end with exit code 0."""
        for file in sorted(self.folder.glob("run.*.pid")):
            rc, log = file.with_suffix(".rc"), file.with_suffix(".log")
            if not rc.exists():
                os.kill(int(file.read_text()), signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECS
            while not (rc.exists() and re.fullmatch(r"\d+\n", rc.read_text())):
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.02)
            assert rc.read_text() == "0\n", log.read_text()
            assert "Traceback" not in log.read_text()
            file.unlink()
