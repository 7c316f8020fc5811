"""What is drawn for `double_steps`: values from so small a range that they meet."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st

from actors.budget.tally import Spent
from actors.messages import Marks
from actors.store import chain, checkpoint, holders, leases, pages, set_aside, spend
from tests.simulation.tables import BEGAN, PLACEHOLDER, Row
from tests.store.double_sides import ASSETS, GAMMA
from tests.store.double_steps import Batch, OfBranch, Oldest, Other, Outcome, Step, Stride, Unit
from tests.store.scene import AUDIO, wallet

T = TypeVar("T")
Drawn = st.SearchStrategy[T]
NAMES = st.sampled_from(sorted(ASSETS))
ASSET = NAMES.map(ASSETS.__getitem__)
CHAINS = st.sampled_from(["ethereum", "base"])
WALLETS = st.integers(1, 3).map(wallet)
KEYS = st.integers(0, 4).map(wallet)  # the zero address is no wallet
BLOCKS = st.integers(1, 9)
HASHES = st.sampled_from([bytes(31) + b"\x01"] * 3 + [bytes(31) + b"\x02"])
BLOCK = st.tuples(BLOCKS, HASHES)
BEHIND = st.sampled_from([0, 0, 0, 0, 0, 0, 0, 0, 1, -1])
AGES = st.sampled_from([0, 0, 10, 60, 3600, -5])
MARKS = st.sampled_from([Marks(2, 1), Marks(2, 1), None, Marks(4, None)])
CHECKPOINTS = st.sampled_from([name for asset in ASSETS.values() for name in (asset.checkpoint, checkpoint.of_backfill(asset.checkpoint, 0))])
LIMITS = st.sampled_from([1, 2, 100])
SPENDERS = st.sampled_from([("batcher", "eth_call"), ("sweeper", "eth_call"), ("subscriber", "eth_getLogs")])
SPENT = st.builds(Spent, st.integers(1, 3), st.integers(0, 99))
TIMES = st.sampled_from([PLACEHOLDER, BEGAN - timedelta(hours=1), BEGAN, BEGAN + timedelta(minutes=5)])
ROWS = st.builds(Row, st.integers(0, 9), st.none() | BLOCKS, st.none() | BLOCKS, TIMES)
STARTS = st.sampled_from(["stored", *["on"] * 6, "off"])
OUTCOMES = st.builds(
    Outcome,
    asset=NAMES,
    wallet=WALLETS,
    event=st.none() | BLOCKS,
    behind=BEHIND,
    repairs=st.sampled_from([True, True, False]),
    balance=st.sampled_from([*range(24), 999, 10**3]),  # the last is too wide for two of the tables
    block=BLOCKS,
    block_hash=HASHES,
    age=AGES,
    error=st.sampled_from(["reverts", "no code", "\0\ud800"]),
    errands=st.frozensets(st.integers(0, 5), max_size=1),
)
SEVERAL = st.lists(OUTCOMES, max_size=3)
BATCHES = st.builds(
    Batch,
    readings=st.lists(OUTCOMES, min_size=1, max_size=4, unique_by=lambda outcome: outcome[:2]),
    covered=SEVERAL,
    failed=SEVERAL,
    raised=SEVERAL,
    moves=st.lists(st.builds(Stride, NAMES, STARTS, st.sampled_from([0, 1, 1, 2]), st.none() | HASHES, BEHIND), max_size=3),
    backwards=st.booleans(),
)
OLDEST = st.builds(
    Oldest, st.just(pages.oldest_page), st.tuples(ASSET, LIMITS, st.none() | TIMES, st.sampled_from([0, 0, 1]), st.none() | TIMES)
)


def unit(fn: Callable[..., Any], *args: Drawn[Any]) -> Drawn[Step]:
    return st.builds(Unit, st.just(fn), st.tuples(*args))


def other(name: str, *args: Drawn[Any]) -> Drawn[Step]:
    return st.builds(Other, st.just(name), st.tuples(*args))


TABLES = st.lists(ASSET.map(lambda asset: asset.table), max_size=3)
PLAIN = st.one_of(
    unit(chain.branch, CHAINS),
    unit(chain.remembered, CHAINS, st.integers(-1, 12)),
    unit(chain.asked_since, CHAINS, st.lists(st.tuples(BLOCKS, HASHES))),
    unit(checkpoint.load, CHECKPOINTS),
    unit(checkpoint.opening, CHAINS, CHECKPOINTS),
    unit(checkpoint.load_many, st.lists(CHECKPOINTS)),
    unit(checkpoint.create, CHAINS, CHECKPOINTS, BLOCKS, st.none() | HASHES),
    unit(holders.look_up, ASSET, st.lists(KEYS)),
    unit(holders.prepare_tick, st.sampled_from([AUDIO, GAMMA]), st.just(30.0), LIMITS),
    unit(holders.insert_placeholders, ASSET),
    unit(holders.above, ASSET, st.integers(0, 9), st.just("") | KEYS.map(lambda w: "0x" + w.hex()), LIMITS),
    unit(holders.count, ASSET),
    unit(set_aside.due, TABLES, LIMITS),
    unit(set_aside.count, TABLES),
    unit(set_aside.shown, ASSET.map(lambda asset: asset.table), LIMITS),
    unit(leases.hold, st.sampled_from("rs"), st.sampled_from("ab"), st.sampled_from([10.0, 60.0])),
    unit(leases.free, st.sampled_from("ab")),
    unit(spend.book, CHAINS, st.dictionaries(SPENDERS, SPENT, max_size=3), st.sampled_from([1, 15])),
    unit(spend.by_day, CHAINS, st.just(31)),
    OLDEST,
)
FENCED = st.one_of(
    st.builds(OfBranch, st.just(chain.forget), st.tuples(CHAINS, st.lists(BLOCK)), BEHIND, st.just(())),
    st.builds(OfBranch, st.just(chain.reorg), st.tuples(CHAINS, st.lists(CHECKPOINTS), BLOCKS), BEHIND, st.tuples(TABLES)),
)
OTHERS = st.one_of(
    other("pass_time", st.sampled_from([0.001, 10, 60, 600])),
    other("put_marks", CHECKPOINTS, MARKS),
    other("delete_row", ASSET, KEYS),
    other("select", st.sets(KEYS).map(sorted)),
    other("put_rows", st.lists(st.tuples(ASSET, KEYS, ROWS), max_size=4)),
)
TAKES = other("take_all", st.integers(0, 6))
AGAIN: Drawn[Step] = st.just(Other("again", ()))
START = st.tuples(
    *(other("put_marks", st.just(asset.checkpoint), MARKS) for asset in ASSETS.values()),
    other("put_rows", st.lists(st.tuples(ASSET, WALLETS, ROWS), max_size=6)),
)
# By weight: `one_of` would see through its parts and draw every unit as often as a batch.
KINDS: list[Drawn[Any]] = [*[BATCHES] * 10, *[TAKES] * 3, *[PLAIN] * 5, FENCED, *[OTHERS] * 3, AGAIN]
STEPS: Drawn[list[Step]] = st.builds(
    lambda start, steps: [*start, *steps],
    START,
    st.lists(st.sampled_from(KINDS).flatmap(lambda kind: kind), min_size=8, max_size=30),
)
