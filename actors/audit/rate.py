"""How many rows in a million are wrong, as far as a sample tells. No Trio."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

Z = 1.959963984540054  # 95 %
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Wrong rows in a million: as found, and between which the truth lies at 95 %."""

    per_million: float
    low: float
    high: float


def rate(wrong: int, checked: int) -> Rate | None:
    """Wilson's interval; None where nothing was checked.

    The plain interval, as wide as the found share's own deviation, is empty where none of the rows was wrong, which is what is found nearly
    always: Wilson's says 3.84 of n then, about as the rule of three does.
    """
    if checked <= 0:
        return None
    share, square = wrong / checked, Z * Z
    middle = share + square / (2 * checked)
    half = Z * sqrt(share * (1 - share) / checked + square / (4 * checked * checked))
    scale = MILLION / (1 + square / checked)
    # The found share is within, also where rounding would put a bound beyond it.
    low = 0.0 if wrong == 0 else min((middle - half) * scale, share * MILLION)
    high = float(MILLION) if wrong == checked else max((middle + half) * scale, share * MILLION)
    return Rate(share * MILLION, max(0.0, low), min(float(MILLION), high))
