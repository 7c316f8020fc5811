"""What is different inside the one-file executable, which PyInstaller makes (`packaging/trueup.spec`).

Its loader unpacks Python into a folder of its own, starts it there as a child, hands it the signals that it gets, and removes the folder at
the end. A loader that is killed can do neither: `settle` has the child end as well, as by SIGTERM, and remove the folder. A year is long for a
folder among temporary ones and for a file that others replace, so both are held on to.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import importlib
import os
import shutil
import signal
import sys

PR_SET_PDEATHSIG = 1
OWN_FILE = "/proc/self/exe"  # also when another file has taken its place


def settle() -> None:
    """Call it first, and in the main thread: it is the thread that asks whose parent is watched."""
    folder: str = sys._MEIPASS  # type: ignore[attr-defined]  # PyInstaller's
    _give_back_library_path()
    _hold_on_to(folder)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    loader = os.getppid()
    if not _is_this_program(loader):  # it died before that
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(128 + signal.SIGTERM)
    atexit.register(_remove_if_left, folder, loader)


def _remove_if_left(folder: str, loader: int) -> None:
    if os.getppid() != loader:
        shutil.rmtree(folder, ignore_errors=True)


def _give_back_library_path() -> None:
    """The loader points it at our folder, where programs that we start would find libraries that are not theirs. Ours are loaded by now or by path."""
    theirs = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
    os.environ.pop("LD_LIBRARY_PATH", None)
    if theirs is not None:
        os.environ["LD_LIBRARY_PATH"] = theirs


def _hold_on_to(folder: str) -> None:
    """systemd-tmpfiles leaves alone what is locked; and a module that is imported late is read from the file that was started."""
    fcntl.flock(os.open(folder, os.O_RDONLY | os.O_DIRECTORY), fcntl.LOCK_SH)
    if os.path.exists(OWN_FILE):
        importlib.import_module("pyimod02_importers").pyz_archive._filename = OWN_FILE


def _is_this_program(pid: int) -> bool:
    try:
        return os.path.samefile(f"/proc/{pid}/exe", OWN_FILE)
    except OSError:  # another user's, or there is no /proc to ask: only an orphan's parent is the first process then
        return pid != 1
