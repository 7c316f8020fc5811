"""What the answer to a call becomes: readings, failures of wallets that were alone, and wallets that are asked for alone. No Trio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from actors.batch import Batch
from actors.evm.block import Pin
from actors.evm.rung import PageAnswer, Value
from actors.messages import Failed, Outcome, Page, PageReading, Reading, Touch

WALLET = 42  # digits and `0x`


@dataclass(frozen=True, slots=True)
class Asked:
    """Where and when a call was asked: the branch was noted before the pin was chosen, the time is monotonic, in seconds."""

    pin: Pin
    branch: int
    at: float


def sort(batch: Batch, values: Sequence[Value], asked: Asked) -> tuple[list[Outcome], list[Touch]]:
    """Readings, and failures of wallets that were alone; the others that failed are asked for alone."""
    outcomes: list[Outcome] = []
    alone: list[Touch] = []
    pin = asked.pin
    for touch, value in zip(batch.touches, values, strict=True):
        if isinstance(value, int):
            outcomes.append(Reading(_with_event(touch, asked), value, pin.number, pin.hash, asked.branch, asked.at))
        elif len(batch.touches) == 1:
            outcomes.append(Failed(touch, value.reason, asked.branch))
        else:
            alone.append(touch)
    return outcomes, alone


def addresses_of(page: Page) -> str:
    """The page's wallets without their `0x` and commas, as a rung takes them. What stands at one place of each is taken out at one go:
    `replace` looks at each wallet, and takes six times as long.
    """
    text = bytearray(page.wallets, "ascii")
    for stride, first in ((WALLET + 1, WALLET), (WALLET, 0), (WALLET - 1, 0)):  # the commas, the zeros, the x
        del text[first::stride]
    return text.decode()


def page_reading(page: Page, found: PageAnswer, asked: Asked) -> tuple[PageReading, list[str]]:
    """The reading of a page, and the wallets of it that have no sum."""
    wallets, failed = page.wallets, []
    if found.failed:
        each, places = wallets.split(","), set(found.failed)
        failed = [each[place] for place in found.failed]
        wallets = ",".join([wallet for place, wallet in enumerate(each) if place not in places])
    pin, count = asked.pin, page.count - len(failed)
    return PageReading(page, wallets, found.sums, count, pin.number, pin.hash, asked.branch, asked.at), failed


def _with_event(touch: Touch, asked: Asked) -> Touch:
    """A hint's event counts once the reading is of the very block that it named; else it may be of a branch that never was."""
    pin = asked.pin
    if touch.block_hash != pin.hash or (touch.event_block or 0) >= pin.number:
        return touch
    return replace(touch, event_block=pin.number, event_branch=asked.branch)
