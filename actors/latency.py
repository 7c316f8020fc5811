"""How long events take to reach their rows: from the block's timestamp to the commit. No Trio; the clocks are handed in.

Counted where a wallet's row was really read for an event: at the end of a closing, and where the reading of a pushed hint is committed. An
event whose row was new enough already took no time of ours and is not counted; nor is a backfill.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Mapping
from typing import Any

from actors.evm.block import Header
from actors.histogram import Histogram
from actors.view import AssetView

KEPT_BLOCKS = 256
KEPT_EVENTS = 1000


class BlockTimes:
    """When a chain's blocks were made, as far as headers have come by: what lies between two known ones is taken as evenly spaced, and so
    is what lies before them. Bounded.
    """

    def __init__(self) -> None:
        self._times: dict[int, int] = {}
        self._numbers: list[int] = []

    def saw(self, header: Header) -> None:
        """A header came by."""
        if header.number not in self._times:
            if len(self._numbers) >= KEPT_BLOCKS:
                del self._times[self._numbers.pop(0)]
            insort(self._numbers, header.number)
        self._times[header.number] = header.timestamp

    def reaches_back_to(self, number: int) -> bool:
        """Whether some block that is not newer is known."""
        return bool(self._numbers) and self._numbers[0] <= number

    def at(self, number: int) -> float | None:
        """Unix time; None where only one block, or none, is known and this is not it, or it is newer than all."""
        if number in self._times:
            return float(self._times[number])
        at = bisect_left(self._numbers, number)
        if at == len(self._numbers) or len(self._numbers) < 2:
            return None
        low, high = self._numbers[max(0, at - 1)], self._numbers[max(1, at)]
        pace = (self._times[high] - self._times[low]) / (high - low)
        return self._times[low] + pace * (number - low)


class EventToRow:
    """One asset's: the histogram for Prometheus, and the latest events for the dashboard."""

    def __init__(self, asset: str, histogram: Histogram) -> None:
        self._asset, self._histogram = asset, histogram
        self._latest: deque[tuple[float, int]] = deque(maxlen=KEPT_EVENTS)

    def committed(self, events: Mapping[int, int], times: BlockTimes, now: float) -> None:
        """Events of these blocks, so many wallets each, are in their rows at Unix time `now`. Of an unknown block nothing is said."""
        for number, wallets in events.items():
            if (then := times.at(number)) is not None:
                secs = max(0.0, now - then)
                self._histogram.observe(self._asset, secs, wallets)
                self._latest.append((secs, wallets))

    def shown(self) -> dict[str, Any] | None:
        """For /api/status; None before the first event. `count` is of the events that the percentiles are of."""
        if not self._latest:
            return None
        ordered, count = sorted(self._latest), sum(wallets for _, wallets in self._latest)
        return {"p50_secs": _quantile(ordered, 0.5 * count), "p99_secs": _quantile(ordered, 0.99 * count), "count": count}


def latencies_of(views: Mapping[str, AssetView], histogram: Histogram) -> dict[str, EventToRow]:
    """One for each asset, shown in its view."""
    found = {name: EventToRow(name, histogram) for name in views}
    for name, view in views.items():
        view.event_to_row = found[name].shown
    return found


def _quantile(ordered: list[tuple[float, int]], rank: float) -> float:
    seen = 0
    for secs, wallets in ordered:
        seen += wallets
        if seen >= rank:
            return round(secs, 3)
    return round(ordered[-1][0], 3)
