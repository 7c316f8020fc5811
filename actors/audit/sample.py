"""Which rows are drawn, and how many at a time. No Trio.

Rows are drawn by their place: of all pages of the table and of all places that a page can have, some are drawn, and what row stands there,
if any, is taken. Each row has one place, so each is as likely as any other, and a drawn place costs one look at one page, of a table of
any size. The alternatives lose: the next wallet above a random one is likelier the wider the gap below it, and addresses that were ground
for their zeros stand in wide gaps; `tablesample system` takes whole pages, whose rows were often written together and are wrong together;
`tablesample bernoulli` is as fair, but reads the whole table, each time; a random offset counts its way through the index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

T = TypeVar("T")
PAGE_HEADER, LEAST_ROW = 24, 28  # bytes of a page's header, and of the smallest row with its pointer
PLACES_A_ROW = 8  # looked at for one row: a page of this width holds 40 to 60 of 291
MOST_TIMES = 20  # as many places where most rows are out of reach
TICK_SECS = 10.0
MOST_ROWS = 50_000
MOST_PLACES = 400_000


@dataclass(frozen=True, slots=True)
class Pace:
    """So many rows every so many seconds."""

    rows: int
    interval_secs: float


def pace_of(rows_a_minute: int) -> Pace:
    """Steady: a few rows every ten seconds, or one row every so often."""
    rows = min(MOST_ROWS, max(1, round(rows_a_minute * TICK_SECS / 60)))
    return Pace(rows, rows * 60 / rows_a_minute)


def places(pages: int, page_bytes: int, wanted: int, rng: Random) -> list[tuple[int, int]]:
    """So many different places of a table, as (page, place on it), all of them where it has no more; in order, as they are looked up."""
    a_page = (page_bytes - PAGE_HEADER) // LEAST_ROW
    count = min(wanted, MOST_PLACES, pages * a_page)
    return [(one // a_page, one % a_page + 1) for one in sorted(rng.sample(range(pages * a_page), count))]


def places_for(rows: int, share: float) -> int:
    """How many places to draw for so many rows that can be checked, where that share of the rows can."""
    return int(rows * PLACES_A_ROW * min(MOST_TIMES, 1 / max(share, 1 / MOST_TIMES))) + PLACES_A_ROW * 32


def some(rows: Sequence[T], wanted: int, rng: Random) -> list[T]:
    """As many of them, any as likely as another."""
    return rng.sample(list(rows), min(wanted, len(rows)))
