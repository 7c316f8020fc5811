"""The sweep's pace: how many rows a tick takes and how often it comes. No Trio.

Without a target age that is what the config says. With one it follows from the table's size: `rows / target_age_secs` rows a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

AIM = 0.9  # of the target age: a tick takes its time, too
RAREST_TICK_SECS = 300.0  # a tick is also what finds a SELECT's new addresses
LARGEST_TICK = 50_000  # an errand holds its wallets in memory; larger tables have more ticks


@dataclass(frozen=True, slots=True)
class Pace:
    """So many rows, every so many seconds."""

    rows: int
    interval_secs: float

    def lap_secs(self, rows: int) -> float:
        """How long a sweep of so many rows takes."""
        return math.ceil(rows / self.rows) * self.interval_secs


def pace(rows: int, target_age_secs: float, interval_secs: float, batch_size: int) -> Pace:
    """The pace for a table of so many rows; `target_age_secs` 0: none.

    A small table has rarer ticks rather than smaller ones, since a call costs the same for one wallet as for many; a large one has larger
    ticks, and more of them only where they would be too large.
    """
    if not target_age_secs or not rows:
        return Pace(batch_size, interval_secs)
    lap = AIM * target_age_secs
    rarest = max(interval_secs, RAREST_TICK_SECS)
    interval = min(max(interval_secs, batch_size * lap / rows), rarest, lap)
    ticks = max(math.ceil(lap / interval), math.ceil(rows / LARGEST_TICK))
    return Pace(math.ceil(rows / ticks), lap / ticks)
