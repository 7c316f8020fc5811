"""A hangup while the program starts: the service holds it back from its first statement on, other commands end by it."""

from __future__ import annotations

import subprocess
import sys

import pytest

HOLDS_BACK = """
import runpy, signal, sys

class AtTheImports:
    def find_spec(self, name, path=None, target=None):
        if name == "actors.cli":
            print(signal.SIGHUP in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
            sys.exit()

sys.meta_path.insert(0, AtTheImports())
runpy.run_module("actors", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(("words", "held"), [(["run", "-c", "x"], True), (["status"], False), (["sweep", "-c", "run"], False), ([], False)])
def test_only_the_service_holds_it_back_and_before_anything_is_imported(words: list[str], held: bool) -> None:
    done = subprocess.run([sys.executable, "-c", HOLDS_BACK, *words], capture_output=True, text=True, check=True)
    assert done.stdout == f"{held}\n"
