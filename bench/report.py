"""What a benchmark found: tables, headlines and notes; and numbers with their spread."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class Table:
    """A Markdown table."""

    title: str
    header: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def markdown(self) -> str:
        """Title and table."""
        lines = [self.header, ["---"] * len(self.header), *self.rows]
        return f"**{self.title}**\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


@dataclass
class Report:
    """One benchmark's outcome. `headlines` goes by the keys of `bench.results.HEADLINES`."""

    name: str
    tables: list[Table] = field(default_factory=list)
    headlines: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def markdown(self) -> str:
        """All but the headlines."""
        return "\n\n".join([*(table.markdown() for table in self.tables), *(f"- {note}" for note in self.notes)])


def number(value: float) -> str:
    """Three figures that count."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def spread(values: Sequence[float], unit: str = "") -> str:
    """The median, and from where to where."""
    middle = number(statistics.median(values)) + unit
    return middle if len(values) == 1 else f"{middle} ({number(min(values))}-{number(max(values))})"


def ratio(over: Sequence[float], under: Sequence[float], unit: str = "x") -> str:
    """Round by round: `over / under`."""
    return spread([a / b for a, b in zip(over, under, strict=True)], unit)


def share(over: Sequence[float], under: Sequence[float]) -> str:
    """The same in percent."""
    return spread([100 * a / b for a, b in zip(over, under, strict=True)], " %")


def interleaved(rounds: int, measures: Mapping[str, Callable[[], T]], show: Callable[[str], Any] = print) -> dict[str, list[T]]:
    """Every measure once a round, so that what the machine does meanwhile befalls all alike."""
    found: dict[str, list[T]] = {name: [] for name in measures}
    for at in range(rounds):
        for name, measure in measures.items():
            show(f"  round {at + 1} of {rounds}: {name}")
            found[name].append(measure())
    return found
