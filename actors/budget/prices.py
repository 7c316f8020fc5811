"""What a provider's methods cost, in its own units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

OTHER = "other"
NOTE = "eth_subscription"
CALL = "eth_call"
HEADER = "eth_getBlockByNumber"
# What trueup asks for: metrics and the spend table have these names and those in the price file, and no others.
KNOWN = frozenset(
    {CALL, HEADER, NOTE, "eth_getBlockByHash", "eth_getLogs", "eth_chainId", "eth_getCode", "eth_getBalance", "eth_blockNumber"}
    | {"eth_subscribe", "eth_getStorageAt", "eth_getBlockReceipts", "web3_clientVersion"}
)


@dataclass(frozen=True, slots=True)
class Prices:
    """One table of the price file. `units_per_window`: what the provider lets through in `window_secs`; None where it does not say."""

    name: str = "plain"
    default: int = 1
    window_secs: float = 1.0
    units_per_window: int | None = None
    methods: Mapping[str, int] = field(default_factory=dict)

    def of(self, method: str) -> int:
        """What one call, or one notification, costs."""
        return self.methods.get(method, self.default)

    def total(self, methods: Iterable[str]) -> int:
        """What these calls cost together."""
        return sum(map(self.of, methods))

    def label(self, method: str) -> str:
        """The method's name where it is shown or stored: one of a bounded set."""
        return method if method in KNOWN or method in self.methods else OTHER

    @property
    def stated_per_sec(self) -> float:
        """The provider's own limit in units a second; infinity where it states none."""
        return float("inf") if self.units_per_window is None else self.units_per_window / self.window_secs
