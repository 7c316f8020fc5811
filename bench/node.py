"""The private chain of a benchmark: anvil with so many holders. Their state file is written once and kept beside this package."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from actors.sandbox.anvil import Anvil
from bench import state

KEPT = Path(__file__).parent / ".state"
LOAD_SECS = 300
BLOCKS_ABOVE = 4  # anvil knows the hashes of blocks that it mined itself, and a call two blocks behind the head attests its parent's


def state_file(holders: int) -> Path:
    """The state with so many holders, written where it is not there yet."""
    path = KEPT / f"{holders}.json"
    if not path.exists():
        KEPT.mkdir(exist_ok=True)
        partial = path.with_suffix(".partial")
        state.write(partial, holders)
        partial.rename(path)
    return path


@contextmanager
def node(holders: int) -> Iterator[Anvil]:
    """A node whose last blocks all have the holders; it mines when told to. With a million holders it takes 10 s to mine a block."""
    with Anvil(options=[*state.OPTIONS, "--load-state", str(state_file(holders))], ready_secs=LOAD_SECS) as anvil:
        for _ in range(BLOCKS_ABOVE):
            anvil.rpc("evm_mine")
        yield anvil
