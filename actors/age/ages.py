"""The ages of a table's rows as counts by age, and what follows from them: percentiles, a histogram, how many are older. No Trio, no SQL.

A bucket is one hundredth of an e-fold, so about one percent of an age wide: a table of any size comes down to some two thousand counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from actors.moments import iso

BUCKETS_AN_E_FOLD = 100
QUANTILES = (0.5, 0.9, 0.99)
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
BOUNDS = (1.0, 2.0, 5.0, 10.0, 30.0, MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, *(days * DAY for days in (1, 2, 3, 7, 14, 30)))


def bucket_of(age_secs: float) -> int:
    """The bucket of an age; all below a second are one."""
    return math.floor(BUCKETS_AN_E_FOLD * math.log(max(1.0, age_secs)))


def _middle(bucket: int) -> float:
    return math.exp((bucket + 0.5) / BUCKETS_AN_E_FOLD)


@dataclass(frozen=True, slots=True)
class Ages:
    """`counts` of rows by bucket, youngest first, of a sample or of all; `rows` of the whole table, less its `placeholders` of 1970, which
    have no age. `max_secs` is exact, whatever the rest. None, or no counts: there are no rows, or Postgres took too long over it.
    """

    counts: tuple[tuple[int, int], ...] = ()
    rows: int = 0
    placeholders: int = 0
    max_secs: float | None = None
    sampled: bool = False

    def quantile(self, share: float) -> float | None:
        """The age that this share of the rows has not passed, to one percent; None where nothing was counted."""
        left = share * sum(count for _, count in self.counts)
        for bucket, count in self.counts:
            left -= count
            if left <= 0:
                return self._age(bucket)
        return None

    @property
    def oldest_secs(self) -> float | None:
        """The oldest row's age, exactly where that is known, else to one percent and of the rows that were counted."""
        oldest = max((bucket for bucket, rows in self.counts if rows), default=None)
        return self.max_secs if self.max_secs is not None or oldest is None else _middle(oldest)

    def _age(self, bucket: int) -> float:
        return _middle(bucket) if self.max_secs is None else min(_middle(bucket), self.max_secs)

    def by_age(self) -> Iterator[tuple[float, float]]:
        """Ages and how many of the table's rows have them, oldest first."""
        counted = sum(count for _, count in self.counts)
        for bucket, count in reversed(self.counts):
            yield self._age(bucket), self.rows * count / counted

    def older_than(self, secs: float) -> float:
        """How many rows are older."""
        return sum(rows for age, rows in self.by_age() if age > secs)

    def histogram(self) -> list[dict[str, Any]]:
        """Rows by age: older than the bound before, and not older than `le_secs` (None: any age)."""
        edges = (0.0, *BOUNDS, math.inf)
        ages = list(self.by_age())
        rows = [sum(n for age, n in ages if low < age <= high) for low, high in pairwise(edges)]
        return [{"le_secs": None if le == math.inf else le, "rows": round(n)} for le, n in zip(edges[1:], rows, strict=True)]

    def shown(self, at: datetime) -> dict[str, Any]:
        """For /api/status; `at` is when it was measured."""
        p50, p90, p99 = (_rounded(self.quantile(share)) for share in QUANTILES)
        return {
            "rows": self.rows,
            "sampled": self.sampled,
            "p50_secs": p50,
            "p90_secs": p90,
            "p99_secs": p99,
            "max_secs": _rounded(self.max_secs),
            "placeholders": self.placeholders,
            "at": iso(at),
            "histogram": self.histogram(),
        }


def _rounded(secs: float | None) -> float | None:
    return None if secs is None else round(secs, 1)
