"""`trueup top`: the running service, live in the terminal; plain lines where there is none.

It asks once a second from a thread of its own, so that a service that hangs does not keep the keys waiting.
"""

from __future__ import annotations

import threading
import time
from argparse import Namespace
from collections import deque
from datetime import datetime
from typing import Any

from actors.cli.service import ask, check_url, said
from actors.cli.terminal import full_screen, is_terminal, render
from actors.cli.top_page import Line, page, problem, verdict
from actors.cli.words import clean, compact, digits, inside, objects
from actors.errors import TrueupError
from actors.log import one_line
from actors.secrets import mask

EVERY_SECS = 1.0
SILENCE_SECS = 4.0
KEPT = 24  # samples of the small plots
DRAW_EVERY_SECS = 0.25
WIDE = 10_000  # a plain line is never cut


class Watched:
    """What a service says, asked again and again. `body`: the last status; `fault`: why there is no newer one, None where it answers."""

    def __init__(self, url: str) -> None:
        check_url(url)
        self.url = url
        self.body: dict[str, Any] | None = None
        self.fault: str | None = None
        self.history: deque[dict[str, Any]] = deque(maxlen=KEPT)
        self._heard_at, self._heard = time.monotonic(), datetime.now()
        self.changed = threading.Event()

    def start(self) -> None:
        """Ask from now on, until the program ends."""
        threading.Thread(target=self._ask_forever, name="top", daemon=True).start()

    def _ask_forever(self) -> None:
        while True:
            began = time.monotonic()
            self.look()
            time.sleep(max(0.0, EVERY_SECS - (time.monotonic() - began)))

    def look(self) -> None:
        """Ask once."""
        try:
            code, body = ask(self.url, "/api/status")
            if code != 200 or not isinstance(body, dict):
                raise TrueupError(f"it answers {code}, not a status{said(body)}")
            self.body, self.fault = clean(body), None
        except (TrueupError, RecursionError) as error:
            self.fault = one_line(mask(str(error)))
        else:
            self.history.append(inside(self.body or {}, "rates"))
            self._heard_at, self._heard = time.monotonic(), datetime.now()
        self.changed.set()

    def silence(self) -> str | None:
        """That it does not answer, since when and why; None where it does."""
        secs = time.monotonic() - self._heard_at
        if self.fault is None and secs < SILENCE_SECS:
            return None
        since = f"has not answered since {self._heard:%H:%M:%S} ({secs:.0f} s)"
        return f"{one_line(mask(self.url))} {since}: {self.fault or 'it hangs'}; it is asked again every second"


def lines(watched: Watched, width: int, height: int) -> list[Line]:
    """The page as it is now."""
    silence = watched.silence()
    told: list[Line] = [[("bad", "✕ the service does not answer")], *problem("bad", "broken", silence, width)] if silence else []
    if watched.body is None:
        return told or [[("quiet", f"asks {one_line(mask(watched.url))} …")]]
    shown = page(watched.body, one_line(mask(watched.url)), list(watched.history), width, height - len(told))
    return [*told, *([("quiet", text) for _, text in line] for line in shown)] if silence else shown


def main(args: Namespace) -> int:
    """Until q or Ctrl-C."""
    watched = Watched(args.url)
    watched.start()
    if not is_terminal():
        return _plainly(watched)
    try:
        with full_screen() as screen:
            while True:
                screen.draw(lines(watched, *screen.size))
                if screen.ends_within(DRAW_EVERY_SECS):
                    return 0
    except KeyboardInterrupt:
        return 0


def _plainly(watched: Watched) -> int:
    """A line for each answer, and one for each problem when that is new."""
    before: list[str] = []
    try:
        while True:
            watched.changed.wait(SILENCE_SECS)
            watched.changed.clear()
            silence = watched.silence()
            found = [silence] if silence else [render(line, WIDE, colour=False) for line in verdict(watched.body or {}, WIDE)[1:]]
            print(f"{datetime.now():%H:%M:%S} {'no answer' if silence else summary(watched.body or {})}", flush=True)
            for text in found:
                if _gist(text) not in before:
                    print(f"  {text.strip()}", flush=True)
            before = [_gist(text) for text in found]
    except KeyboardInterrupt:
        return 0


def _gist(text: str) -> str:
    """Without its figures: a line that only counts on is not new."""
    return "".join(sign for sign in text if not sign.isdigit())


def summary(body: dict[str, Any]) -> str:
    """One line."""
    rates, parts = inside(body, "rates"), [verdict(body, WIDE)[0][0][1]]
    parts += [f"events {digits(rates.get('events_per_sec'))}/s", f"rows {digits(rates.get('rows_per_sec'))}/s"]
    parts += [f"{chain.get('name')} head {chain.get('head')} closed {chain.get('closed')}" for chain in objects(body, "chains")]
    parts += [f"{budget.get('name')} {compact(budget.get('month_units'))} units" for budget in objects(body, "budgets")]
    return "  ".join(parts)
