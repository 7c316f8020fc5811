"""Moments as texts, one way for all that is shown: UTC, to the millisecond, with a Z."""

from __future__ import annotations

from datetime import datetime


def iso(moment: datetime) -> str:
    """`moment` is in UTC."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
