"""What was measured, in numbers: of an endpoint, and of a WebSocket."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from actors.doctor.node.search import Found

BY_HASH = "block hash"
BY_NUMBER = "number with parent hash, timestamp and PREVRANDAO inside the call"
BY_ARBSYS = "ArbSys number and parent hash, timestamp inside the call"
ONLY_PINS = "block hash alone: nothing inside the call"


@dataclass
class Measured:
    """An endpoint. None is what was not measured; `*_secs` are seconds, `*_gas` gas.

    `blocks_behind`: behind the chain's newest head. `block_secs`: the mean of the last blocks. `state_blocks`: how many blocks back state is
    served, `state_empty`: beyond that it is answered as empty, without an error. `log_blocks`, `log_results`: in one eth_getLogs;
    `logs_cut`: above that the rest is left out, without an error. `events_per_block`: of the assets' triggers. `gas_style`: what happens
    above `call_gas`, `default_gas`: what a call without `gas` gets; `holder_gas`: what the dearest asset's wallet takes. `in_flight`: how
    many calls at once went through. `rate_limited`, `error`: in words, "" where there is none.
    """

    endpoint: str
    client: str | None = None
    chain_id: int | None = None
    head: int | None = None
    head_age_secs: float | None = None
    blocks_behind: int | None = None
    block_secs: float | None = None
    syncing: bool | None = None
    rungs: tuple[str, ...] = ()
    state_override: bool | None = None
    multicall3: bool | None = None
    multicall3_elsewhere: bool = False
    hash_pins: bool | None = None
    attested_by: str | None = None
    state_blocks: Found | None = None
    state_empty: bool = False
    log_blocks: Found | None = None
    log_results: Found | None = None
    logs_cut: bool = False
    events_per_block: float | None = None
    call_gas: Found | None = None
    gas_style: str | None = None
    default_gas: int | None = None
    holder_gas: int | None = None
    holder_gas_of: str = ""
    body_bytes: Found | None = None
    batch_items: Found | None = None
    in_flight: int | None = None
    rate_limited: str = ""
    error: str = ""
    calls: int = 0
    units: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    secs: float = 0.0

    @property
    def archive(self) -> bool:
        """Whether every block's state is served."""
        found = self.state_blocks
        return found is not None and found.refused is None and not found.stopped


@dataclass
class Pushed:
    """A WebSocket. `first_head_secs`: until a head came, None where none did within `waited_secs`; `http_blocks`: by how many the head moved
    over HTTP meanwhile. `logs`: of the triggers' in the pushed blocks, how many were pushed, of `logs_due`.
    """

    socket: str
    chain_id: int | None = None
    subscribed: bool = False
    first_head_secs: float | None = None
    waited_secs: float = 0.0
    http_blocks: int | None = None
    logs: int | None = None
    logs_due: int | None = None
    error: str = ""
    calls: int = 0


def numbers(measured: Measured | Pushed) -> dict[str, Any]:
    """As JSON has it; each limit with the exact number, None where it is not known or was not met."""
    found: dict[str, Any] = {}
    for each in fields(measured):
        value = getattr(measured, each.name)
        found[each.name] = {"limit": value.limit, **asdict(value)} if isinstance(value, Found) else value
    return found
