"""Whose fault a node's error is, by code and wording: the one place that knows what the clients and providers say.

The order matters: a provider's "query returned more than 10000 results" comes under the code of rate limits, so wordings go before codes.
Messages are cut, and never hold a URL: whoever asks adds the endpoint's name.
"""

from __future__ import annotations

import re

from actors.errors import BadAnswer, NodeBehind, NodeError, Permanent, Throttled, TooLarge, Transient
from actors.log import one_line
from actors.secrets import mask

LOOKED_AT, KEPT = 2000, 300  # characters: a message may have megabytes, and each pattern would go through them
TOO_LARGE = re.compile(
    r"out ?of ?gas|gas (required|limit|cap|uint64)|exceeds (the )?(block )?gas|intrinsic gas|response (size|is too)|too (large|big|many results)"
    r"|query returned more than|more than \d+ (results|logs)|block range|range (is )?too|limited to (a |\d)|exceed(s|ed)? max(imum)?"
    r"|max(imum)? (block )?range|blocks? distance|execution (timeout|aborted)|timeout of|query timeout|code size|initcode"
    r"|up to a [\d,]+ block|entity too large|logs? (response )?(limit|exceed)|max results|size exceeded|exceeds limit of|too many (logs|results)|narrow your filter",
    re.IGNORECASE,
)
BEHIND = re.compile(
    r"header not found|unknown block|block not found|missing trie node|not available|pruned|resource not found|out ?of ?range"
    r"|beyond current head|after last accepted|could not find block|no state|historical state|is not canonical|not currently canonical"
    r"|header for hash|block .{0,80}(does not exist|unavailable)|future block|requested (entity|block)",
    re.IGNORECASE,
)
# Old state that the node does not keep, or does not give for this key.
NO_STATE = re.compile(
    r"missing trie node|pruned|no state|historical state|state histor|world ?state|state (is |already )?(not |un)available"
    r"|state (for|at|of) .{0,80}(not found|missing|unavailable)|archive (state|node|data|request|mode|plan|access|method|block)",
    re.IGNORECASE,
)
THROTTLED = re.compile(
    r"rate ?limit|too many (requests|connections)|compute units|throughput|capacity|request limit|quota|daily|exceeded .{0,30}(per second|limit)|slow down",
    re.IGNORECASE,
)
PERMANENT = re.compile(r"revert|method not found|does not exist/is not available|not supported|unsupported|invalid opcode", re.IGNORECASE)
HEX_RANGE = re.compile(r"\[?(0x[0-9a-f]+)\s*[,-]\s*(0x[0-9a-f]+)\]?", re.IGNORECASE)
BLOCKS = re.compile(
    r"(?:limit(?:ed)?(?: to| is)?(?: an?)?|up to(?: an?)?|max(?:imum)?(?: allowed)?(?: block)?(?: range)?(?: is)?(?: of)?:?|exceeds?(?: the)?(?: limit)?(?: of)?)"
    r"\s*(\d[\d,]*)(k?)\s*-?\s*(?:blocks?)?",
    re.IGNORECASE,
)
LARGEST_CODE = 2**63
RANGE_WORDS = re.compile(r"range|blocks?\b", re.IGNORECASE)


def classify(
    code: int | None, message: str, data: object, http_status: int | None, retry_after: float | None, method: str
) -> NodeError:
    """The error to raise. `retry_after` in seconds; `data` is the error's own."""
    message = one_line(" ".join(message[:LOOKED_AT].split()))
    # Masked before it is cut: half a secret is none that the mask would know.
    text = f"{method}: {mask(message)[:KEPT]}" + (f" ({code})" if code is not None and abs(code) < LARGEST_CODE else "")
    if http_status is not None and (http_status in (401, 403) or http_status >= 500) and NO_STATE.search(message):
        return NodeBehind(text)  # the key is good, and the node is up: it is the block that they have nothing of
    if http_status is not None and (found := _by_status(http_status, retry_after, text)):
        return found
    if code in (3, -32601) or "execution reverted" in message.lower():
        return Permanent(text)
    for pattern, kind in ((THROTTLED, Throttled), (BEHIND, NodeBehind), (NO_STATE, NodeBehind), (TOO_LARGE, TooLarge), (PERMANENT, Permanent)):
        # "rate limit" before "limit": but a result cap that comes under the rate limit's code is a matter of size.
        if pattern.search(message):
            return TooLarge(text, range_hint(message, method)) if kind is TooLarge else kind(text)
    return _by_code(code, text)


def _by_status(status: int, retry_after: float | None, text: str) -> NodeError | None:
    if status == 429:
        return Throttled(text, retry_after)
    if status == 413:
        return TooLarge(text)
    if status in (401, 403):
        return Transient(f"{text}: the endpoint refuses the key")
    if status >= 500:
        return Transient(f"{text}: status {status}")
    return None


def _by_code(code: int | None, text: str) -> NodeError:
    if code in (-32005, 429, -32097, -32029):
        return Throttled(text)
    if code in (-32601, -32602, -32004):
        return Permanent(text)
    if code == -32001:
        return NodeBehind(text)
    if code in (-32700, -32600):
        return BadAnswer(text)
    return Transient(text)


def range_hint(message: str, method: str) -> int | None:
    """How many blocks the provider would take, where it says so."""
    if method != "eth_getLogs":
        return None
    ranges = HEX_RANGE.search(message)
    if ranges:
        first, last = int(ranges[1], 16), int(ranges[2], 16)
        return last - first + 1 if last >= first else None
    if not RANGE_WORDS.search(message):
        return None
    blocks = BLOCKS.search(message)
    if blocks is None:
        return None
    number = int(blocks[1].replace(",", "")) * (1000 if blocks[2] else 1)
    return number or None
