"""A stranger's machine: the executable in an empty folder, an empty environment, no Python on the PATH, and where the kernel lets us, neither
this source tree nor its Python to be seen at all.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.process import reap

REPOSITORY = Path(__file__).resolve().parents[2]
HIDDEN = [REPOSITORY, Path(sys.prefix).resolve(), Path(os.__file__).resolve().parent]
# Empty folders are mounted over what is to be hidden; PIDs and signals stay as they are, since each program replaces the one before.
HIDE = 'mount=$1; shift; while [ "$1" != -- ]; do "$mount" -t tmpfs none "$1" || exit 99; shift; done; shift; exec "$@"'
# What the demo may use of the machine: Postgres refuses to run as root.
TOOLS = ("unshare", "setpriv", "true")
PATIENCE_SECS = 60


class Stranger:
    """`stranger.run("--help")` to its end; `stranger.start("run", …)` and `stranger.left()`, what there still is of it."""

    def __init__(self, binary: Path) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="stranger-")
        self._started: list[subprocess.Popen[str]] = []
        self.place = Path(self._place.name)
        for name in ("empty", "home", "tmp", "tools"):
            (self.place / name).mkdir()
        for tool in filter(shutil.which, TOOLS):
            (self.place / "tools" / tool).symlink_to(Path(shutil.which(tool) or tool).resolve())
        self.binary = Path(shutil.copy(binary, self.place / "trueup"))
        self.env = {"PATH": str(self.place / "tools"), "HOME": str(self.place / "home"), "TMPDIR": str(self.place / "tmp")}

    def __enter__(self) -> Stranger:
        return self

    def __exit__(self, *exc: object) -> None:
        for pid in self.processes():
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal.SIGKILL)
        for process in self._started:
            reap(process)
        self._place.cleanup()

    def run(self, *words: str | Path, secs: float = 100, **env: str) -> subprocess.CompletedProcess[str]:
        """One command to its end."""
        process = self.start(*words, **env)
        out, err = process.communicate(timeout=secs)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def start(self, *words: str | Path, **env: str) -> subprocess.Popen[str]:
        """One command."""
        command = [*concealed(), str(self.binary), *map(str, words)]
        pipe = subprocess.PIPE
        env = {**self.env, **env}
        return self.keep(subprocess.Popen(command, cwd=self.place / "empty", env=env, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True))

    def keep(self, process: subprocess.Popen[str]) -> subprocess.Popen[str]:
        """One that a test has started itself: it ends with the others."""
        self._started.append(process)
        return process

    def run_as_nobody(self, *words: str, secs: float = 200) -> subprocess.CompletedProcess[str]:
        """The same as an ordinary user, which only root can arrange."""
        for path in (self.place, self.place / "tmp", self.place / "empty"):
            path.chmod(0o777)
        command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(self.binary), *words]
        return subprocess.run(command, cwd=self.place / "empty", env=self.env, capture_output=True, text=True, timeout=secs)

    def processes(self) -> list[int]:
        """All whose command line names our place: the executable, its Python, and the Postgres and anvil that it started."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if self._place.name in (path / "cmdline").read_text() and (path / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    found.append(int(path.name))
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def files(self) -> list[str]:
        """What there is in the temporary folder, at home and where it was started."""
        return [path.name for folder in ("tmp", "home", "empty") for path in (self.place / folder).iterdir()]


def concealed() -> list[str]:
    """What to put before a command, so that it sees nothing of `HIDDEN`. Nothing where that is not allowed."""
    tools = [shutil.which(tool) for tool in ("unshare", "sh", "mount")]
    if None in tools or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        return []
    unshare, sh, mount = map(str, tools)
    return [unshare, "-rm", sh, "-c", HIDE, "sh", mount, *map(str, outermost(HIDDEN)), "--"]


def outermost(paths: list[Path]) -> list[Path]:
    """Without those that are inside another."""
    return [path for path in dict.fromkeys(paths) if not any(other in path.parents for other in paths)]


def wait_until(state: Callable[[], bool], what: str, secs: float = PATIENCE_SECS) -> None:
    """Wait for a state of the world outside this process."""
    deadline = time.monotonic() + secs
    while not state():
        assert time.monotonic() < deadline, f"not within {secs:g} s: {what}"
        time.sleep(0.05)
