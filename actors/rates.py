"""Rates of the last seconds, from counters that only go up. No Trio."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

OVER_SECS = 10.0


class Rates:
    """`read` gives each counter by its name; `sample` is called about once a second."""

    def __init__(self, read: Callable[[], dict[str, float]]) -> None:
        self._read = read
        self._samples: deque[tuple[float, dict[str, float]]] = deque()

    def sample(self, now: float) -> None:
        """Note where the counters stand; what is older than the rates' time is forgotten."""
        self._samples.append((now, self._read()))
        while now - self._samples[0][0] > OVER_SECS and len(self._samples) > 2:
            self._samples.popleft()

    def shown(self) -> dict[str, float] | None:
        """Each counter's rate as `<name>_per_sec`; None before there are two samples. One that is new begins with 0."""
        if len(self._samples) < 2:
            return None
        (began, first), (ended, last) = self._samples[0], self._samples[-1]
        secs = max(ended - began, 1e-9)
        return {f"{name}_per_sec": round(max(0.0, count - first.get(name, 0.0)) / secs, 2) for name, count in last.items()}
