"""What a node says when it refuses: any words under any code and status are one of the errors that say whose fault it is."""

from __future__ import annotations

from actors.errors import NodeError, TooLarge
from actors.evm import faults
from actors.evm.jsonrpc import error_of
from tests.fuzz.draw import Draw
from tests.fuzz.promise import keep

WORDS = (
    "query returned more than ", "10000", " results", "block range", "limited to ", "up to a ", " block", "0x1", "0xfffff", "[0x1, 0x2]", " - ", ",", "k",
    "9" * 5000, "execution reverted", "rate limit", "missing trie node", "not available", "exceeds limit of ", "\n", "\x1b[31m", "header not found",
    "max ", "range ", "of: ", "https://node.example/v3/hunter2hunter2", "x" * 3000, " ", "2,000", "(", "too large", "block " * 30,
)  # fmt: skip
STATUSES = (None, 200, 400, 401, 403, 404, 413, 429, 500, 503, 599)
CODES = (None, 0, 3, -32000, -32005, -32600, -32601, -32602, -32700, -32001, 429, 2**63)
METHODS = ("eth_getLogs", "eth_call", "batch")


def target(data: bytes) -> None:
    draw = Draw(data)
    method, status, code = draw.pick(METHODS), draw.pick(STATUSES), draw.pick(CODES)
    if draw.flag():
        error: NodeError = error_of(draw.changed({"code": code, "message": "header not found", "data": None}), method)
    else:
        message = "".join(draw.pick(WORDS) for _ in range(draw.number(12))) if draw.flag() else draw.rest().decode("utf-8", "replace")
        error = faults.classify(code, message, None, status, None, method)
    keep(isinstance(error, NodeError), "an error of no kind")
    keep(str(error).isprintable() and len(str(error)) < 1000, f"not one short line: {str(error)[:200]!r}")
    if isinstance(error, TooLarge):
        keep(error.hint is None or error.hint > 0, f"a hint of {error.hint}")



SEEDS = (b"\x00\x00\x03\x00\x01\x03\x04\x07\x03", b"\x00\x00\x03\x01\x01\x01\x01", b"\x01\x07\x02\x00\x00query returned more than 10000 results")
