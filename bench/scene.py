"""What every benchmark stands on: its sizes, a folder, and the program over a node and a database."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from actors.errors import TrueupError
from actors.sandbox.postgres import PrivatePostgres
from bench import database, service
from bench.holders import truth, wallets
from bench.peers import missing
from bench.service import NOT_BUILT, Done, Program
from bench.state import SOURCES

STARTS = 3
RUNGS = {"packed": 5000, "multicall3": 2000}  # wallets a call: below what each finds for itself under anvil's gas cap of 50 million


@dataclass(frozen=True)
class Scale:
    """`quick`: sizes of seconds, to see that everything works; its figures mean nothing. `peers`: whether they take part."""

    quick: bool
    peers: bool
    show: Callable[[str], object] = print

    def of(self, full: int, quick: int) -> int:
        """The one or the other."""
        return quick if self.quick else full

    @property
    def rounds(self) -> int:
        """How often each measurement is made."""
        return self.of(3, 1)

    def missing(self, *names: str) -> dict[str, str]:
        """The peers that do not take part, and why. A quick run installs none."""
        return missing(names, not self.quick) if self.peers else dict.fromkeys(names, "left out")


def source_words() -> list[str]:
    """The sources as the peers' drivers take them."""
    return [f"{contract}:{call}" for contract, call in SOURCES]


def wallet_file(folder: Path, count: int) -> Path:
    """Lines of `wallet sum`."""
    path, some = folder / f"wallets-{count}", wallets(count)
    path.write_text("".join(f"0x{wallet.hex()} {total}\n" for wallet, total in zip(some, truth(some), strict=True)))
    return path


def rung(name: str, calls_in_flight: int = 4, holders: int | None = None) -> str:
    """A chain's keys: one way to read, and its wallets a call."""
    return f'reads = "{name}"\nholders_per_call = {holders or RUNGS[name]}\ncalls_in_flight = {calls_in_flight}'


def rungs(folder: Path, database_url: str) -> list[str]:
    """Those of `RUNGS` that the program has."""
    found = []
    for name in RUNGS:
        try:
            Program(folder, database_url, "http://127.0.0.1:1", chain=rung(name)).run("config")
        except TrueupError as error:
            if "reads" not in str(error):
                raise
        else:
            found.append(name)
    return found


def not_built(there: list[str]) -> list[str]:
    """A note on the rungs that the program has not."""
    return [] if "packed" in there else [NOT_BUILT]


@dataclass(frozen=True)
class Start:
    """Seconds of a start, as `Done` has them."""

    wall_secs: float
    cpu_secs: float
    first_thread_secs: float


@dataclass
class Stage:
    """A database with the truth, to sweep over."""

    server: PrivatePostgres
    url: str
    folder: Path
    rows: int

    def program(self, http: str, ws: str = "", chain: str = "", more: str = "", server: str = "") -> Program:
        """The program over a node."""
        return Program(self.folder, self.url, http, ws, chain, more, server)

    def sweep(self, http: str, chain: str, rows: int | None = None) -> Done:
        """One whole sweep of a table in which every row is wrong. Raises TrueupError unless every row is right after it."""
        database.reset(self.url, rows)
        done = self.program(http, chain=chain).run("sweep", "--json")
        self.check(rows)
        return done

    def start(self, http: str, chain: str) -> Start:
        """What a sweep costs that finds an empty table: imports, config and connections, but no probing. Of several, the median."""
        laps = [self.sweep(http, chain, 0) for _ in range(STARTS)]
        return Start(*(statistics.median(values) for values in zip(*((d.wall_secs, d.cpu_secs, d.first_thread_secs) for d in laps), strict=True)))

    def check(self, rows: int | None = None, table: str = database.TABLE) -> None:
        """Raises TrueupError unless every row of the table is the truth."""
        if wrong := database.wrong(self.url, rows, table):
            raise TrueupError(f"{table}: {wrong} rows are not the truth")


@contextmanager
def stage(rows: int, **settings: str) -> Iterator[Stage]:
    """A fresh database with so many rows."""
    with service.folder() as folder, database.postgres(**settings) as server:
        url = server.fresh("bench")
        database.store_truth(url, rows)
        Program(folder, url, "http://127.0.0.1:1").run("init")
        yield Stage(server, url, folder, rows)
