"""What was measured, in lines for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from actors.cli.progress import duration
from actors.doctor.node.gas import NONE
from actors.doctor.node.measured import Measured, Pushed
from actors.doctor.node.search import Found

WORDS = 100  # of a refusal
MIB = 2**20


def lines(found: Measured) -> tuple[str, ...]:
    """One line a measure, its name before it."""
    return tuple(f"{name:<9} {text}" for name, text in _lines(found))


def _lines(found: Measured) -> Iterator[tuple[str, str]]:
    if found.client:
        yield "client", found.client + (", which is still syncing" if found.syncing else "")
    if found.head is not None:
        yield "head", _head(found)
    if found.attested_by:
        yield "attested", f"by {found.attested_by}"
    if found.state_blocks:
        yield "state", _state(found, found.state_blocks)
    if found.log_blocks:
        yield "logs", _limit(found.log_blocks, "blocks in one eth_getLogs")
    if found.log_results:
        cut = " (the rest is left out without an error)" if found.logs_cut else ""
        yield "", _limit(found.log_results, "logs in one answer" + cut)
    if found.events_per_block is not None:
        yield "", f"{found.events_per_block:,.3g} events of the assets a block"
    if found.call_gas:
        yield "gas", _gas(found, found.call_gas)
    if found.holder_gas:
        yield "", f"{found.holder_gas:,} for a wallet of {found.holder_gas_of}, as cold as they come"
    if found.body_bytes:
        yield "body", _limit(found.body_bytes, "bytes")
    if found.batch_items:
        yield "batch", _limit(found.batch_items, "calls")
    if found.in_flight is not None:
        yield "at once", f"{found.in_flight} calls went through together"
    if found.rate_limited:
        yield "rate", found.rate_limited
    received = f"{found.sent_bytes / MIB:.1f} MiB out, {found.received_bytes / MIB:.1f} MiB in"
    yield "spent", f"{found.calls:,} calls, {found.units:,} units, {received}, {found.secs:.1f} s"


def _head(found: Measured) -> str:
    age = f", {duration(found.head_age_secs)} old" if found.head_age_secs is not None else ""
    behind = f", {found.blocks_behind:,} blocks behind the chain's other endpoints" if found.blocks_behind else ""
    each = f"; a block each {found.block_secs:g} s" if found.block_secs else ""
    return f"{found.head:,}{age}{behind}{each}"


def _state(found: Measured, state: Found) -> str:
    if found.archive:
        return f"archive: all {state.accepted:,} blocks back are served"
    empty = "; older state is answered as empty, without an error" if found.state_empty else ""
    return _limit(state, "blocks back") + empty


def _gas(found: Measured, cap: Found) -> str:
    usual = f"; a call that names none gets {found.default_gas:,}" if found.default_gas is not None else ""
    if found.gas_style == NONE:
        return f"no cap on eth_call up to {cap.accepted:,}{usual}"
    return _limit(cap, f"in an eth_call, more is {found.gas_style}") + usual


def _limit(found: Found, unit: str) -> str:
    """The exact number, or what is known; in the endpoint's own words why not more; and what it took."""
    said = f' ("{_short(found.said)}")' if found.said else ""
    calls = f" [{found.calls} calls]"
    if found.limit is not None:
        return f"{found.limit:,} {unit}{said}{calls}"
    stopped = f"; {_short(found.stopped)}" if found.stopped else ""
    if not found.accepted and found.refused is None:
        return f"not measured{stopped}{calls}"
    if found.refused is None:
        return f"no limit found up to {found.accepted:,} {unit}{stopped}{calls}"
    return f"between {found.accepted:,} and {found.refused - 1:,} {unit}{said}{stopped}{calls}"


def _short(text: str) -> str:
    """Without the method before it."""
    words = text.partition(": ")[2] or text
    return words if len(words) <= WORDS else words[: WORDS - 1] + "…"


def pushed(found: Pushed) -> str:
    """A WebSocket in one line."""
    if not found.waited_secs:
        return f"{found.socket} takes subscriptions to newHeads" + (" and logs" if found.logs is not None else "")
    if found.first_head_secs is None:
        return f"{found.socket} pushed no head within {found.waited_secs:.1f} s" + _meanwhile(found)
    return f"{found.socket} pushes heads, the first after {found.first_head_secs:.1f} s{_logs(found)}"


def _meanwhile(found: Pushed) -> str:
    if found.http_blocks is None:
        return ""
    return f", while {found.http_blocks} blocks came over HTTP" if found.http_blocks else ", and none came over HTTP either: it cannot be told"


def _logs(found: Pushed) -> str:
    if found.logs is None or found.logs_due is None:
        return ""
    if not found.logs_due:
        return "; no event was in its block, so of logs it cannot be told"
    return f"; {found.logs} of the {found.logs_due} logs of its block were pushed"
