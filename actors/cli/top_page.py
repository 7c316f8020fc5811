"""What `trueup top` shows of a status: lines of styled parts, made to fit a terminal. Pure functions; the dashboard shows the same."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from actors.cli.words import bars, by_name, compact, count, digits, inside, number, objects, span, texts

Part = tuple[str, str]  # style and text
Line = list[Part]
Row = list[str | Part]
STYLES = {"good": "32", "warn": "33", "bad": "31", "quiet": "2", "strong": "1", "accent": "36"}
INDENT, MOST_LINES = 11, 4
KINDS = {"running": "good", "starting": "warn", "new": "warn"}


def page(body: dict[str, Any], url: str, history: Sequence[dict[str, Any]], width: int, height: int) -> list[Line]:
    """The whole; what does not fit is left out from below, and that is said."""
    lines = [_head(body, url), *verdict(body, width), [], *_figures(body, history)]
    actors = _actors(body)
    for part in (_chains(body), _ledger(body), _assets(body), _spend(body), actors, _aside(body)):
        if part:
            lines += [[], *part]
    if len(lines) > height:
        shown, cut = lines[: height - 1], lines[height - 1 :]
        return [*shown, _cut(len(cut), [line for line in actors[1:] if any(line is each for each in cut)])]
    return lines


def _cut(count: int, actors: Sequence[Line]) -> Line:
    """What does not fit: so many lines, these actors' among them."""
    others = sum(line[1][0] != KINDS["running"] for line in actors)
    text = f"… and {count} lines that do not fit here" + (f", {_plural(len(actors), 'actor')} among them" if actors else "")
    return [("quiet", text), *([("bad", f", {others} not running")] if others else [])]


def verdict(body: dict[str, Any], width: int) -> list[Line]:
    """`all true`, or each broken part with its cause."""
    broken, warned = texts(body, "reasons"), texts(body, "warnings")
    lines: list[Line] = []
    if broken or body.get("ready") is not True:
        lines.append([("bad", f"✕ {_plural(len(broken), 'problem')}")])
    elif warned:
        lines.append([("warn", f"! all true, with {_plural(len(warned), 'warning')}")])
    else:
        lines.append([("good", "✓ all true")])
    told = [line for text in broken for line in problem("bad", "broken", text, width)]
    return [*lines, *told, *(line for text in warned for line in problem("warn", "warning", text, width))]


def problem(style: str, kind: str, text: str, width: int) -> list[Line]:
    """A broken part and its cause, which stands at the end: over several lines rather than cut."""
    room = max(20, width - INDENT)
    # What is beyond all lines is never shown, and a megabyte of blanks would take seconds to wrap.
    parts = textwrap.wrap(text[: 2 * MOST_LINES * room], room, max_lines=MOST_LINES, placeholder=" …") or [""]
    return [[(style, f"  {'' if at else kind:<{INDENT - 2}}"), ("", part)] for at, part in enumerate(parts)]


def _plural(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def _head(body: dict[str, Any], url: str) -> Line:
    away = inside(body, "postgres").get("ok") is False
    up = span(_secs_between(body.get("started_at"), body.get("at")))
    return [("strong", "trueup"), ("quiet", f"  {url}  up {up}  "), ("bad" if away else "quiet", f"Postgres {'away' if away else 'answers'}  q quits")]


def _secs_between(began: Any, ended: Any) -> float | None:
    try:
        return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    except (TypeError, ValueError):
        return None


def _figures(body: dict[str, Any], history: Sequence[dict[str, Any]]) -> list[Line]:
    rates = inside(body, "rates")
    line: Line = []
    for name, key in (("events", "events_per_sec"), ("rows", "rows_per_sec")):
        line += [("quiet", f"{name} "), ("strong", f"{digits(rates.get(key))}/s "), ("accent", bars([one.get(key) for one in history])), ("", "  ")]
    late = [inside(asset, "event_to_row") for asset in objects(body, "assets")]
    p50, p99 = (max(filter(None, (number(one.get(key)) for one in late)), default=None) for key in ("p50_secs", "p99_secs"))
    return [[*line, ("quiet", "event to row "), ("strong", f"p50 {span(p50)}, p99 {span(p99)}")]]


def table(heads: Sequence[str], rows: Sequence[Row]) -> list[Line]:
    """Columns as wide as they need; a head that begins with > is that of numbers."""
    cells = [[("quiet", head.lstrip(">")) for head in heads], *([("", cell) if isinstance(cell, str) else cell for cell in row] for row in rows)]
    widths = [max(len(row[at][1]) for row in cells) for at in range(len(heads))]
    return [
        [(style, (text.rjust if heads[at][:1] == ">" else text.ljust)(widths[at]) + "  ") for at, (style, text) in enumerate(row)] for row in cells
    ]


def _state(good: Any, yes: str, no: str) -> Part:
    return ("good", f"● {yes}") if good else ("bad", f"✕ {no}")


def _chains(body: dict[str, Any]) -> list[Line]:
    chains: list[Row] = [
        [str(c.get("name")), count(c.get("head")), span(c.get("head_seen_secs_ago")), count(c.get("closed")), count(c.get("behind")), str(c.get("socket") or "none"), _led(c)]
        for c in objects(body, "chains")
    ]
    endpoints: list[Row] = []
    for each in objects(body, "endpoints"):
        endpoints.append([f"{each.get('chain')}: {each.get('name')}", _state(each.get("up"), "up", "down"), count(each.get("head"))])
        endpoints[-1] += [span(each.get("latency_secs")), str(each.get("rung") or "-"), count(each.get("requests")), _error(each)]
    heads = ("endpoint", "state", ">head", ">latency", "rung", ">calls", "error")
    return [*table(("chain", ">head", ">seen ago", ">closed", ">behind", "socket", "followed"), chains), [], *table(heads, endpoints)] if chains else []


def _error(of: dict[str, Any]) -> Part:
    return "bad", str(of.get("last_error") or "")


def _led(chain: dict[str, Any]) -> str:
    return "here" if chain.get("leads") else "by another copy"


def _ledger(body: dict[str, Any]) -> list[Line]:
    rows: list[Row] = []
    for chain in objects(body, "ledger"):
        last = f"{count(chain.get('tick_updated'))} of {count(chain.get('tick_requested'))}"
        rows.append([str(chain.get("name")), _state(not chain.get("error"), "read", "not read"), count(chain.get("ticks")), last])
        rows[-1].append(("bad", str(chain.get("error") or "")))
    return table(("ledger", "state", ">claims", ">last claim", "error"), rows) if rows else []


def _assets(body: dict[str, Any]) -> list[Line]:
    rows: list[Row] = []
    for asset in objects(body, "assets"):
        age = inside(asset, "age")
        ages = [span(age.get(key)) for key in ("p50_secs", "p99_secs", "max_secs")]
        rows.append([str(asset.get("name")), count(asset.get("tracked_wallets")), count(asset.get("checkpoint_block")), *ages])
        rows[-1].append(("accent", _ages(age)))
    heads = ("asset", ">rows", ">checkpoint", ">age p50", ">p99", ">oldest", "age, log")
    return [*table(heads, rows), *_promises(body)] if rows else []


def _promises(body: dict[str, Any]) -> list[Line]:
    """What the assets' rows are held to. A table of its own: in one with the ages it would not fit 80 columns."""
    forecasts = by_name(objects(body, "forecasts"))
    rows: list[Row] = []
    for asset in objects(body, "assets"):
        forecast, audit, aside = forecasts.get(str(asset.get("name")), {}), inside(asset, "audit"), number(asset.get("set_aside")) or 0
        sweep = f"{span(forecast.get('secs'))} by {forecast.get('limited_by', '-')}, {compact(forecast.get('units_a_month'))} units a month"
        rows.append([str(asset.get("name")), _target(inside(asset, "objective"), forecast), *_audit(audit)])
        rows[-1] += [("warn" if aside else "", count(aside)), sweep if asset.get("sweeps") else "by another copy"]
    return table(("asset", "target age", "audit", "at most, 95 %", ">set aside", "sweep"), rows)


def _target(objective: dict[str, Any], forecast: dict[str, Any]) -> Part:
    if objective:
        return "bad" if objective.get("at_risk") else "good", f"{span(objective.get('target_secs'))}, {objective.get('state')}"
    if forecast.get("meets_target") is None:
        return "quiet", "none"
    meets = bool(forecast["meets_target"])
    return "good" if meets else "bad", f"{span(forecast.get('target_age_secs'))}, {'can' if meets else 'cannot'} be met"


def _audit(audit: dict[str, Any]) -> list[Part]:
    if not audit:
        return [("quiet", "none"), ("", "-")]
    found = f"{count(audit.get('wrong'))} wrong of {count(audit.get('checked'))}"
    return [("bad" if audit.get("wrong") else "good", found), ("", f"{digits(audit.get('wrong_per_million_high'))} in a million")]


def _ages(age: dict[str, Any]) -> str:
    """The histogram, by the logarithm of each bucket: a handful of old rows is what one looks for."""
    return bars([math.log10(1 + max(0.0, number(one.get("rows")) or 0.0)) for one in objects(age, "histogram")])


def _actors(body: dict[str, Any]) -> list[Line]:
    boxes = by_name(objects(body, "mailboxes"))
    rows: list[Row] = []
    for actor in objects(body, "actors"):
        name, state = str(actor.get("name")), str(actor.get("state"))
        kind, _, of = name.partition(":")
        box = boxes.get({"writer": "readings", "batcher": f"touches:{of}"}.get(kind, ""))
        waiting = f"{count(box.get('live'))} + {count(box.get('sweep'))}" if box else ""
        style = KINDS.get(state, "bad")
        rows.append([name, (style, f"{'●' if style == 'good' else '✕'} {state}"), count(actor.get("restarts")), waiting])
        rows[-1].append(_error(actor))
    return table(("actor", "state", ">restarts", ">live + sweep", "last error"), rows) if rows else []


def _aside(body: dict[str, Any]) -> list[Line]:
    wallets: list[Row] = [
        [str(asset.get("name")), str(one.get("wallet")), count(one.get("attempts")), str(one.get("next_attempt")), ("bad", str(one.get("error")))]
        for asset in objects(body, "assets")
        for one in objects(asset, "set_aside_wallets")
    ]
    return table(("set aside", "wallet", ">attempts", "next", "error"), wallets) if wallets else []


def _spend(body: dict[str, Any]) -> list[Line]:
    chains = by_name(objects(body, "chains"))
    rows: list[Row] = []
    for budget in objects(body, "budgets"):
        window = (number(budget.get("window_units")) or 0.0) / (number(budget.get("window_secs")) or 1.0)
        plot = bars([day.get("units") for day in objects(chains.get(str(budget.get("name")), {}), "spend_by_day")])
        ahead, cap = number(budget.get("month_units_by_end")), number(budget.get("month_cap"))
        rows.append([str(budget.get("name")), compact(budget.get("month_units")), ("warn" if ahead and cap and ahead > cap else "", compact(ahead))])
        rows[-1] += [compact(cap), f"{digits(window)}/s"]
        rows[-1] += [str(budget.get("sweep_waits_for") or "nothing"), ("accent", plot)]
    return table(("units", ">this month", ">by its end", ">cap", ">now", "the sweep waits for", "by day"), rows) if rows else []
