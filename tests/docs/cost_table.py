"""The cost tables of docs/operating.md: what sweeps cost a month by each price table, as the service itself would forecast it, and what following
does."""

from __future__ import annotations

from pathlib import Path

from actors.budget.forecast import Sweep, forecast
from actors.budget.month import MONTH
from actors.budget.prices import CALL, HEADER, NOTE
from actors.config.keys import ChainConfig, SweeperConfig
from actors.config.prices import shipped
from actors.pace import pace

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"
BEGIN, END = "<!-- written by `just reference`: the cost table -->\n", "<!-- end of the cost table -->"
ROWS = (10_000, 100_000, 1_000_000, 3_150_000)
HOURS = (1, 6, 24)
WALLETS_PER_CALL = 5_000  # packed, three cold sources, under a gas cap of 50 million: see bench/RESULTS.md
PROVIDERS = ("plain", "alchemy", "infura", "quicknode")
UNBOUND = float("inf")
LOGS = "eth_getLogs"
# What a closing of a quiet asset asks for, by timer and by a pushed head; tests/docs/test_sizes.py counts it.
BY_TIMER, BY_TIMER_IN_HEADS, BY_HEAD = (HEADER, CALL, LOGS), (HEADER, LOGS), (LOGS, NOTE)
BLOCK_SECS = 12
CHAIN = ChainConfig("any", 1, ("https://node.example",))


def table() -> str:
    """The table in Markdown: a row for each size and target age, a column for each price table; `plain` counts calls."""
    lines = ["| wallets | `target_age_secs` | " + " | ".join(_title(name) for name in PROVIDERS) + " |"]
    lines.append("| ---: | ---: |" + " ---: |" * len(PROVIDERS))
    lines += [_row(rows, hours) for rows in ROWS for hours in HOURS]
    lines += ["", "And what following one quiet asset costs, before any event:", "", "| how | " + " | ".join(map(_title, PROVIDERS)) + " |"]
    lines.append("| --- |" + " ---: |" * len(PROVIDERS))
    lines += [f"| {how} | " + " | ".join(f"{_units(asked, name):,}" for name in PROVIDERS) + " |" for how, asked in _following().items()]
    return "\n".join(lines) + "\n"


def _following() -> dict[str, list[tuple[tuple[str, ...], float]]]:
    """Ways to follow: what each asks for, and every how many seconds."""
    confirm, poll = CHAIN.confirm_secs, CHAIN.poll_interval_secs
    return {
        f'`follow = "logs"`, `confirm_secs = {confirm}`': [(BY_TIMER, confirm)],
        f'`follow = "heads"`, a block each {BLOCK_SECS} s': [(BY_HEAD, BLOCK_SECS), (BY_TIMER_IN_HEADS, confirm)],
        f"without `ws`, `poll_interval_secs = {poll}`": [(BY_TIMER, poll)],
    }


def _units(asked: list[tuple[tuple[str, ...], float]], provider: str) -> int:
    prices = shipped()[provider]
    return round(sum(prices.total(methods) * MONTH / secs for methods, secs in asked))


def _title(name: str) -> str:
    return "calls (`plain`)" if name == "plain" else f"`{name}`"


def _row(rows: int, hours: int) -> str:
    units = [f"{units_a_month(rows, hours * 3600, name):,}" for name in PROVIDERS]
    return f"| {rows:,} | {hours * 3600} ({hours} h) | " + " | ".join(units) + " |"


def units_a_month(rows: int, target_age_secs: float, provider: str) -> int:
    """What the sweeps of 30 days cost in a provider's units, at the pace that the target age asks for, with the sweeper's defaults."""
    sweeper = SweeperConfig()
    paced = pace(rows, target_age_secs, sweeper.interval_secs, sweeper.batch_size)
    sweep = Sweep(rows, paced, WALLETS_PER_CALL, target_age_secs=target_age_secs)
    return forecast(sweep, shipped()[provider], UNBOUND).units_a_month


def page() -> str:
    """docs/operating.md with the table as it must be."""
    text = PAGE.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + table() + "\n" + END + after
