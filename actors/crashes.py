"""Whether a crash was shown already: a traceback is logged once, and what comes of the same lines of code again is counted. No Trio."""

from __future__ import annotations

import traceback

NEW_AFTER_SECS = 600.0  # of life: what comes then is worth its traceback again
Place = tuple[object, ...]


class Crashes:
    """One actor's."""

    def __init__(self) -> None:
        self._last: Place | None = None
        self._times = 0

    def times(self, error: BaseException, lived_secs: float) -> int:
        """How many times in a row this crash has come by now; 1: it is new."""
        place = place_of(error)
        self._times = self._times + 1 if place == self._last and lived_secs < NEW_AFTER_SECS else 1
        self._last = place
        return self._times


def place_of(error: BaseException) -> Place:
    """Where an error comes from: its type and its lines of code, and those of its causes and its parts. Its words may differ each time."""
    frames = tuple((frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__))
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    parts = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    return type(error), frames, None if cause is None else place_of(cause), tuple(map(place_of, parts))
