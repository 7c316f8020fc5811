"""What a fuzzer found: bytes that break a promise, made as few as still break it in the same way."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator

LONGEST_SECS = 20.0


def broken_by(target: Callable[[bytes], None], data: bytes) -> BaseException | None:
    """What the target raises, without the groups around it."""
    try:
        target(data)
    except Exception as error:
        return alone(error)
    return None


def alone(error: BaseException) -> BaseException:
    """The first error inside of groups."""
    return alone(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def place(error: BaseException | None) -> tuple[str, str, int] | None:
    """What kind of error it is, and where it comes from: by these two findings are told apart."""
    if error is None:
        return None
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "/actors/" in frame.filename] or frames
    return (type(error).__name__, ours[-1].filename, ours[-1].lineno or 0) if ours else (type(error).__name__, "", 0)


def smaller(target: Callable[[bytes], None], data: bytes) -> bytes:
    """As few and as plain bytes as break the same promise in the same place, within some seconds."""
    same, until = place(broken_by(target, data)), time.monotonic() + LONGEST_SECS
    tried = True
    while tried and same is not None:
        tried = False
        for less in _smaller(data):
            if time.monotonic() > until:
                return data
            if place(broken_by(target, less)) == same:
                data, tried = less, True
                break
    return data


def _smaller(data: bytes) -> Iterator[bytes]:
    """Without some of its bytes, many at first; then with zeros in their places."""
    size = len(data)
    while size:
        yield from (data[:at] + data[at + size :] for at in range(0, len(data), size))
        size //= 2
    yield from (data[:at] + b"\0" + data[at + 1 :] for at in range(len(data)) if data[at])
