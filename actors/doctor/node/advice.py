"""What to put into the config, and why: what was measured of a chain's endpoints, beside what the config says. Pure.

A suggestion is made only where it differs from what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from actors.config import ChainConfig
from actors.doctor.finding import Finding, hint
from actors.doctor.node.measured import Measured, Pushed
from actors.evm.size import FIXED_GAS, SPARE_GAS

DEFAULTS: dict[str, Any] = {each.name: each.default for each in fields(ChainConfig)}
HEADS_FROM = 200  # events a block
LOGS_BELOW = 50
ROUND = 2  # digits
NEAR = 1.25  # a number this near is left as it is
ADDRESS_DIGITS = 40
PROGRAM_BYTES = 10_000
POLLS = (0.5, 3.0)  # block times
CONFIRMS, STALLS = 2, 5  # block times, at least
PROVIDERS = {"alchemy": ("alchemy.com", "alchemyapi.io"), "infura": ("infura.io",), "quicknode": ("quiknode.pro", "quicknode.com")}


@dataclass(frozen=True)
class Chain:
    """A chain of the config, and what was measured of it. `ws_found`: the endpoints that take a WebSocket where they take HTTP."""

    config: ChainConfig
    endpoints: Sequence[Measured]
    sockets: Sequence[Pushed] = ()
    ws_found: Sequence[str] = ()


def advise(chain: Chain) -> Iterator[Finding]:
    """Each suggestion as a hint whose `fix` is the line of config."""
    for suggest in SUGGESTIONS:
        for line, why in suggest(chain):
            yield hint(f"chain {chain.config.name}", why, line)


Lines = Iterator[tuple[str, str]]


def _least(chain: Chain, of: Callable[[Measured], int | None]) -> tuple[int, str] | None:
    """The smallest number among the endpoints, and whose it is."""
    known = [(number, each.endpoint) for each in chain.endpoints if (number := of(each)) is not None]
    return min(known, default=None)


def _rounded(number: float) -> int:
    """Down to two digits."""
    whole = int(number)
    step = int(10 ** max(0, len(str(whole)) - ROUND))
    return max(1, whole // step * step)


def max_log_blocks(chain: Chain) -> Lines:
    """What the strictest endpoint takes; up again where someone set less than that."""
    now, default = chain.config.max_log_blocks, DEFAULTS["max_log_blocks"]
    least = _least(chain, lambda each: each.log_blocks.limit if each.log_blocks else None)
    if least and 0 < least[0] < now:
        yield f"max_log_blocks = {least[0]}", f"{least[1]} takes no more blocks in one eth_getLogs, and {now} are asked for"
        return
    most = _least(chain, lambda each: each.log_blocks.accepted if each.log_blocks and each.log_blocks.accepted else None)
    if most and now < default and min(most[0], default) > now * NEAR:
        yield f"max_log_blocks = {min(most[0], default)}", f"every endpoint takes as much, and {now} make more calls of a long gap"


def logs_cut(chain: Chain) -> Lines:
    """Logs that are left out silently are lost for one closing; a shorter range keeps answers below the cut."""
    for each in chain.endpoints:
        if each.logs_cut and each.log_results and each.events_per_block:
            blocks = _rounded(each.log_results.accepted / 2 / each.events_per_block)
            if blocks < chain.config.max_log_blocks:
                yield f"max_log_blocks = {blocks}", f"{each.endpoint} leaves logs out of an answer above {each.log_results.accepted}, without an error"


def holders_per_call(chain: Chain) -> Lines:
    """What fits the gas and the body of the strictest endpoint."""
    now, default = chain.config.holders_per_call, DEFAULTS["holders_per_call"]
    fits = _least(chain, _holders)
    if fits is None:
        return
    most = _rounded(fits[0])
    if most * NEAR < now:
        yield f"holders_per_call = {most}", f"no more fit into one call of {fits[1]}: {_why(chain, fits[1])}"
    elif now * NEAR < min(most, default):
        yield f"holders_per_call = {min(most, default)}", f"as many fit into one call of every endpoint, and {now} make more calls"


def _holders(each: Measured) -> int | None:
    return min((number for number in (_by_gas(each), _by_body(each)) if number is not None), default=None)


def _by_gas(each: Measured) -> int | None:
    if not each.default_gas or not each.holder_gas:
        return None
    return max(1, int(each.default_gas * SPARE_GAS - FIXED_GAS) // each.holder_gas)


def _by_body(each: Measured) -> int | None:
    """Packed: by other rungs a wallet takes more, and they are not suggested by it."""
    if not each.body_bytes or "packed" not in each.rungs:
        return None
    return max(1, (each.body_bytes.accepted - PROGRAM_BYTES) // ADDRESS_DIGITS)


def _why(chain: Chain, endpoint: str) -> str:
    each = next(one for one in chain.endpoints if one.endpoint == endpoint)
    if _holders(each) == _by_gas(each):
        return f"it gives {each.default_gas:,} gas, and a wallet of {each.holder_gas_of} takes {each.holder_gas:,}"
    return f"a request may have {each.body_bytes.accepted if each.body_bytes else 0:,} bytes"


def reads(chain: Chain) -> Lines:
    """A pinned rung where a better one is served everywhere."""
    served = [set(each.rungs) for each in chain.endpoints if each.rungs]
    if served and chain.config.reads not in ("auto", "packed") and all("packed" in rungs for rungs in served):
        yield 'reads = "auto"', f"every endpoint serves packed reads, a sixth of the bytes of {chain.config.reads}"


def multicall3(chain: Chain) -> Lines:
    """An address without the contract."""
    missing = [each for each in chain.endpoints if each.multicall3 is False]
    if not missing:
        return
    if all(each.multicall3_elsewhere for each in missing):
        yield f'multicall3 = "0x{DEFAULTS["multicall3"].hex()}"', f"there is none at 0x{chain.config.multicall3.hex()}, and one at the usual address"
    elif not all(each.state_override for each in missing):
        yield 'multicall3 = "0x…", if the chain has one', f"there is none at 0x{chain.config.multicall3.hex()}, and {missing[0].endpoint} serves no state override"


def follow(chain: Chain) -> Lines:
    """By the events a block."""
    most = max((each.events_per_block for each in chain.endpoints if each.events_per_block is not None), default=None)
    if most is None or not chain.config.ws:
        return
    if most >= HEADS_FROM and chain.config.follow == "logs":
        yield 'follow = "heads"', f"the assets have {most:,.0f} events a block: each is pushed and priced by itself, a head's logs come in one answer"
    elif most < LOGS_BELOW and chain.config.follow == "heads":
        yield 'follow = "logs"', f"the assets have {most:,.3g} events a block: an eth_getLogs for each head finds little"


def times(chain: Chain) -> Lines:
    """By the block time. A poll in less than a block finds nothing; one in many blocks is late."""
    secs = max((each.block_secs for each in chain.endpoints if each.block_secs), default=None)
    if secs is None:
        return
    low, high = POLLS
    poll = chain.config.poll_interval_secs
    if not chain.config.ws and not low * secs <= poll <= max(high * secs, 1):
        asks = "most polls find nothing" if poll < secs else "events wait for the next poll"
        yield f"poll_interval_secs = {max(0.5, secs):g}", f"a block comes each {secs:g} s, and each {poll:g} s is asked: {asks}"
    if chain.config.confirm_secs < CONFIRMS * secs:
        yield f"confirm_secs = {STALLS * secs:g}", f"a block comes each {secs:g} s, so closings each {chain.config.confirm_secs:g} s mostly find no new one"
    if chain.config.ws and chain.config.stall_secs < CONFIRMS * secs:
        yield f"stall_secs = {STALLS * secs:g}", f"a block comes each {secs:g} s, so {chain.config.stall_secs:g} s of silence mean nothing"


def calls_in_flight(chain: Chain) -> Lines:
    """Fewer, where some of as many at once were refused."""
    least = _least(chain, lambda each: each.in_flight)
    if least and least[0] < min(chain.config.calls_in_flight, 16):
        yield f"calls_in_flight = {max(1, least[0])}", f"of {chain.config.calls_in_flight} calls at once {least[1]} refused some as too many"


def rate(chain: Chain) -> Lines:
    """A limit of one's own, where the endpoint's showed itself."""
    limited = [each for each in chain.endpoints if each.rate_limited and each.secs]
    if limited and not chain.config.compute_units_per_sec:
        each = limited[0]
        yield f"compute_units_per_sec = {max(1, int(each.units / each.secs))}", f"{each.endpoint} refused requests at {each.units / each.secs:,.0f} units a second"


def ws(chain: Chain) -> Lines:
    """Pushes, where there is no socket."""
    if chain.config.ws:
        return
    if chain.ws_found:
        yield 'ws = ["wss://…"], the same URL as in http', f"{chain.ws_found[0]} takes subscriptions there: events are seen when they happen, not at the next poll"
    else:
        yield 'ws = ["wss://…"], if your provider has one', "without a socket events are seen at the next poll"


def prices(chain: Chain) -> Lines:
    """By the provider's name."""
    hosts = [urlsplit(url).hostname or "" for url in chain.config.http]
    for name, domains in PROVIDERS.items():
        if chain.config.prices == "plain" and any(host == domain or host.endswith(f".{domain}") for host in hosts for domain in domains):
            yield f'prices = "{name}"', f"{name} counts in units of its own: budget and forecast would be wrong"


SUGGESTIONS = (max_log_blocks, logs_cut, holders_per_call, reads, multicall3, follow, times, calls_in_flight, rate, ws, prices)
