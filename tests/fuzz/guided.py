"""One target under libFuzzer, in a process of its own: `python -m tests.fuzz.guided TARGET CORPUS FLAGS…`. The only module that needs atheris."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import atheris

from tests.fuzz.targets import named

# Ours, and what parses for us in Python: where the bytes lead in there is told to libFuzzer.
WATCHED = ["actors", "tomllib", "h11", "wsproto", "httpx", "urllib", "email"]

MOST_SECS = 5.0  # of the processor, for one input


def main() -> None:
    name, *flags = sys.argv[1:]
    with atheris.instrument_imports(include=WATCHED):
        target = named(name).target
    atheris.Setup([name, *flags], timed(target))
    atheris.Fuzz()


def timed(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """The target, which breaks a promise by taking long too. libFuzzer's own alarm would end the process without a word."""

    def once(data: bytes) -> None:
        began = time.process_time()
        target(data)
        if (secs := time.process_time() - began) > MOST_SECS:
            raise TimeoutError(f"{secs:.1f} s")

    return once


if __name__ == "__main__":
    main()
