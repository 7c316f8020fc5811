"""Known bugs, each planted into a copy of the code: how many histories the simulation needs to find it.

`python -m tests.simulation.bugs` plants them all, prints a table, and exits 1 where one stays unfound. A bug of the store is planted into
its double, which `tests/store/test_double.py` holds to the same rules as the real one.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_SEEDS = 400


@dataclass(frozen=True)
class Bug:
    """What is wrong, and how to make it so: (file, what stands there, what is put instead)."""

    name: str
    patches: tuple[tuple[str, str, str], ...]


def bug(name: str, *patches: tuple[str, str, str]) -> Bug:
    """One entry of the list."""
    return Bug(name, patches)


WRITER, BATCHER, CLOSING, REORG = "actors/writer.py", "actors/batcher.py", "actors/closing.py", "actors/reorg.py"
DOUBLE = "tests/simulation/tables_write.py"
BUGS = (
    bug(
        "checkpoint before the rows",
        (
            WRITER,
            "                result = await self._run(store, batch)\n                self._settle",
            "                await self._run(store, WriteBatch(moves=batch.moves))\n"
            "                result = await self._run(store, batch)\n                self._settle",
        ),
    ),
    bug(
        "closing overtakes its touches",
        ("actors/errand.py", "e.pending.keys() <= finishing.get(e.id, frozenset())", "(e.id in finishing or not e.pending)"),
    ),
    bug(
        "a redelivered closing counted twice",
        (
            DOUBLE,
            "        if marks == move.expect:\n            self._c.checkpoints[move.name] = move.target\n"
            "        return marks in (move.expect, move.target)",
            "        more, marks = move.target.last_block - move.expect.last_block, marks or move.expect\n"
            "        self._c.checkpoints[move.name] = Marks(marks.last_block + more, move.target.confirmed)\n        return True",
        ),
    ),
    bug(
        "subscribe after the gap fill",
        (CLOSING, "            return Asking(endpoint, marks, branch, marks.last_block + 1, None)", "            return Asking(endpoint, marks, branch, target.number, None)"),
        (CLOSING, "self._asking(endpoint, marks, branch, whole)", "self._asking(endpoint, marks, branch, whole, target)"),
        (CLOSING, "def _asking(self, endpoint: Endpoint, marks: Marks, branch: int, whole: bool)", "def _asking(self, endpoint, marks, branch, whole, target)"),
    ),
    bug(
        "a read at `latest`",
        ("actors/evm/attest.py", "    return at_hash(pin.hash) if by_hash else hex(pin.number)", '    return "latest"'),
        ("actors/evm/attest.py", "    number, parent, timestamp, prevrandao, chain = attested\n", "    return\n"),
    ),
    bug(
        "lag taken for a reorg",
        (
            CLOSING,
            "            raise NodeBehind(f\"head {target.number} is below the checkpoint {marks.last_block}\")",
            "            await self._reorgs._heal(endpoint, target.number, [], [])\n            return Closed(more=True)",
        ),
    ),
    bug(
        "a reorg above the checkpoint missed",
        (DOUBLE, "            remember(self._c, self._asset(reading).chain, [(reading.block, reading.block_hash)])", "            pass"),
    ),
    bug(
        "an orphan reading written after the repair",
        (
            BATCHER,
            "        outcomes, alone = sort(batch, answer.values, asked)\n",
            "        outcomes, alone = sort(batch, answer.values, replace(asked, branch=ports.view.branch))\n",
        ),
    ),
    bug(
        "a closing that passes unfinished repairs",
        (
            REORG,
            "            await self._ports.see_through(errand, live=True)",
            "            self._ports.touches.live.offer(tuple(self._ports.book.unsent(errand)[0]))",
        ),
    ),
    bug(
        "the guard in a WHERE",
        (DOUBLE, "        blocknumber = greatest(", "        if not moves:\n            return False\n        blocknumber = greatest("),
    ),
    bug(
        "a touch merged into an older read",
        (
            BATCHER,
            "        outcomes, alone = sort(batch, answer.values, asked)\n",
            "        later = [ports.hand._later.pop((touch.asset, touch.wallet), None) for touch in batch.touches]\n"
            "        merged = tuple(one if new is None else merge(one, new) for one, new in zip(batch.touches, later))\n"
            "        outcomes, alone = sort(replace(batch, touches=merged), answer.values, asked)\n",
        ),
        (BATCHER, "from actors.batch import Batch\n", "from actors.batch import Batch, merge\n"),
    ),
    bug(
        "a retry that keeps its pin",
        (
            BATCHER,
            "        pin = await choose_pin(ports, endpoint, batch)\n        asked",
            "        kept = ports.__dict__.setdefault('kept_pins', {})\n"
            "        names = tuple(sorted((t.asset, t.wallet) for t in batch.touches))\n"
            "        pin = kept.get(names) if batch.failures else None\n"
            "        pin = kept[names] = pin or await choose_pin(ports, endpoint, batch)\n        asked",
        ),
    ),
    bug(
        "set aside from within a batch",
        ("actors/outcomes.py", "        elif len(batch.touches) == 1:", "        elif batch.touches:"),
        # A packed read that starves fails whole: it is over Multicall3 that a healthy wallet seems to fail among others.
        (
            "tests/simulation/history.py",
            "            if self.rng.random() < 0.5:\n                setattr(node.faults",
            "            if True:\n                setattr(node.faults",
        ),
    ),
    bug(
        "ack before commit",
        (
            WRITER,
            "                with effort():\n                    await self._commit(store, [outcome for message in taken for outcome in message])\n"
            "                lane.finished()\n",
            "                lane.finished()\n"
            "                with effort():\n                    await self._commit(store, [outcome for message in taken for outcome in message])\n",
        ),
    ),
    bug(
        "the branch not compared",
        (
            DOUBLE,
            "            if outcome.branch < self._branches[self._asset(outcome).chain]:",
            "            if outcome.branch < 0:",
        ),
    ),
    bug(
        "a clean stop leaves ledger rows locked",
        (WRITER, "        await self._ledger.free_all(self._stores[False])\n", ""),
    ),
    bug(
        "a failed ledger read is a balance",
        (
            "actors/ledger_writer.py",
            "            if isinstance(outcome, Failed):\n                self.faults",
            "            if isinstance(outcome, Failed):\n                self.balances.append(Balance(held.id, claim.locked_by, held.wallet_id, held.asset_id, '0', '0', 0.0))\n"
            "                continue\n                self.faults",
        ),
    ),
    bug(
        "`[]` from a lagging node believed",
        (CLOSING, "            await check_has(endpoint, target)\n", "            pass\n"),
        # The comparison with the tip's own ancestors notices it as well.
        (REORG, "        except (Permanent, TooLarge):", "        except (Permanent, TooLarge, NodeBehind):"),
    ),
    bug(
        "an alarm without a second look at row and branch",
        ("actors/audit/verdict.py", '        return "moved"\n', '        return "stands"\n'),
        ("actors/audit/verdict.py", '        return "reorg"\n', '        return "stands"\n'),
    ),
)


def plant(one: Bug, folder: Path) -> None:
    """Copy the code and make it wrong. Raises ValueError where a patch does not fit any more."""
    for name in ("actors", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, right, wrong in one.patches:
        path = folder / name
        text = path.read_text()
        if text.count(right) != 1:
            raise ValueError(f"{one.name}: the patch of {name} does not fit: {right.strip()[:60]}")
        path.write_text(text.replace(right, wrong))


def hunt(one: Bug, seeds: int) -> tuple[int | None, str]:
    """How many histories it took to find the bug (None: all of them were fine), and what was found."""
    with tempfile.TemporaryDirectory(prefix="trueup-bug-") as folder:
        plant(one, Path(folder))
        command = [sys.executable, "-m", "tests.simulation", "--seeds", str(seeds), "--jobs", "1", "--stop"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    found = re.search(r"^seed (\d+): (.*)$", done.stdout, re.MULTILINE)
    if found is None and done.returncode:
        raise RuntimeError(f"{one.name}: {done.stderr[-2000:]}")
    return (None, "") if found is None else (int(found[1]), found[2])


def main() -> int:
    """Exit 1 where a bug stays unfound."""
    words = argparse.ArgumentParser(prog="just simulate-bugs", description=__doc__)
    words.add_argument("--seeds", type=int, default=MOST_SEEDS, metavar="N", help=f"at most so many histories a bug ({MOST_SEEDS})")
    words.add_argument("--only", metavar="WORDS", help="only bugs whose name holds these words")
    asked = words.parse_args()
    return table([one for one in BUGS if (asked.only or "") in one.name], asked.seeds)


def table(bugs: Sequence[Bug], seeds: int) -> int:
    """Print Markdown."""
    unfound = 0
    print("| bug | histories needed | what was seen |\n| --- | ---: | --- |", flush=True)
    for one in bugs:
        needed, what = hunt(one, seeds)
        unfound += needed is None
        seen = re.sub(r"[0-9a-f]{40}", "a wallet", what).split(": Reading(")[0].split(": Failed(")[0][:110]
        print(f"| {one.name} | {'not found' if needed is None else needed} | {seen} |", flush=True)
    return int(unfound > 0)


if __name__ == "__main__":
    sys.exit(main())
