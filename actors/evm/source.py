"""Sources: what a wallet's sum is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """One view call that takes the wallet and returns a uint256; both None: the native balance."""

    contract: bytes | None
    selector: bytes | None
