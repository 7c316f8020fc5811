"""Log lines as JSON: one event a line, its fields with their types kept, every text in it masked."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime

from actors.moments import iso
from actors.secrets import mask

EXACT_TO = 2**53  # larger integers are text: most readers of JSON would round them


class JsonFormatter(logging.Formatter):
    """`time`, `level`, `actor`, `event`, the event's fields, and `traceback` where there is one. A field of one of these names gets a `_`."""

    def __init__(self, root: str) -> None:
        super().__init__()
        self._root = f"{root}."

    def format(self, record: logging.LogRecord) -> str:
        """The line. All of it is ASCII: some readers end a line at other characters than a newline."""
        line = {
            "time": time_of(record),
            "level": record.levelname.lower(),
            "actor": record.name.removeprefix(self._root),
            "event": mask(str(getattr(record, "event", None) or record.getMessage())),
        }
        taken = {*line, "traceback"}
        fields: Mapping[str, object] = getattr(record, "fields", {})
        found = {name + "_" if name in taken else name: plain(value) for name, value in fields.items()}
        if record.exc_info:
            found["traceback"] = mask(self.formatException(record.exc_info))
        return json.dumps({**line, **found}, allow_nan=False)


def time_of(record: logging.LogRecord) -> str:
    """When it happened, in UTC."""
    return iso(datetime.fromtimestamp(record.created, UTC))


def plain(value: object) -> object:
    """The value as JSON has it, with every text in it masked."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) <= EXACT_TO else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, bytes):
        return f"0x{value.hex()}"
    if isinstance(value, Mapping):
        return {mask(str(key)): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    return mask(str(value))
