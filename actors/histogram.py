"""A Prometheus histogram by asset that takes many events of one age at once: the client library's takes one after the other, which for a
closing's thousands of wallets would cost as much as reading them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from math import inf

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class Histogram(Collector):
    """Counts by asset and bucket."""

    def __init__(self, name: str, about: str, buckets: Sequence[float]) -> None:
        self._name, self._about, self._bounds = name, about, (*map(float, buckets), inf)
        self._counts: dict[str, list[int]] = {}
        self._sums: dict[str, float] = {}

    def expect(self, assets: Iterable[str]) -> None:
        """Show a 0 for these."""
        for asset in assets:
            self._counts.setdefault(asset, [0] * len(self._bounds))
            self._sums.setdefault(asset, 0.0)

    def observe(self, asset: str, value: float, count: int = 1) -> None:
        """So many events, each of that value."""
        self.expect([asset])
        self._counts[asset][bisect_left(self._bounds, value)] += count
        self._sums[asset] += value * count

    def collect(self) -> Iterator[Metric]:
        """For a scrape."""
        family = HistogramMetricFamily(self._name, self._about, labels=["asset"])
        for asset, counts in self._counts.items():
            bounds = ["+Inf" if bound == inf else str(bound) for bound in self._bounds]
            family.add_metric([asset], list(zip(bounds, accumulate(counts), strict=True)), self._sums[asset])
        yield family
