"""How long the statements of a run took, from the server's own log: the shipped program is asked nothing."""

from __future__ import annotations

import re
from pathlib import Path

from actors.errors import TrueupError

SETTINGS = {"log_min_duration_statement": "0", "log_parameter_max_length": "0", "log_line_prefix": "@@ "}
ENTRY = re.compile(r"duration: ([\d.]+) ms  (?:execute|statement|parse|bind)[^:]*: (.*)", re.DOTALL)


def took(log: Path, since: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each select of the oldest rows, and of each write of rows; planning is in. `since`: where in the log to begin."""
    selects: list[float] = []
    writes: list[float] = []
    planned = 0.0
    for entry in log.read_bytes()[since:].decode(errors="replace").split("@@ ")[1:]:
        if (found := ENTRY.search(entry)) is None:
            continue
        millis, text = float(found[1]), " ".join(found[2].split()).lower()
        if re.search(r"duration: [\d.]+ ms  (parse|bind)", entry):
            planned += millis
            continue
        if "order by h.updated_at" in text and "limit" in text:
            selects.append(millis + planned)
        elif "on conflict (wallet) do update" in text or text.startswith("update"):
            writes.append(millis + planned)
        planned = 0.0
    if not selects or not writes:
        raise TrueupError("the statements of a sweep are not what they were: bench/statements.py knows them by their words")
    return selects, writes
