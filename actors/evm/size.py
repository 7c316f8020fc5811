"""How many wallets go into one call: found for each endpoint and rung, by what calls came back with. No Trio, no clock."""

from __future__ import annotations

from actors.evm.rung import Gas

FIRST = 200
SPARE_GAS = 0.95  # of what the node gives: the next wallets may cost more than the last ones did
FIXED_GAS = 60_000
FEW = 50  # the gas of so few says nothing about a wallet's
SLOW_SECS = 4.0  # a call that takes longer is near a node's own time limit, or ours
STEP = 0.1
FORGET_AFTER = 200  # calls: a limit that was hit once may have been lifted


class CallSize:
    """Begins small, doubles until the first refusal, halves at each, and then comes back by tenths to just below what was refused.

    Where the rung tells the gas, it never asks for more than the node gives. `most` is the upper bound, which no call may pass.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.current = min(FIRST, most)
        self._refused: int | None = None
        self._by_gas: int | None = None
        self._calls = 0

    def at_most(self, most: int) -> None:
        """The upper bound, which the operator may change. What calls have taught stays."""
        self.most, self.current = most, min(self.current, most)

    def refused(self, size: int) -> None:
        """A call of `size` wallets was too large."""
        self._refused, self._calls = size, 0
        self.current = max(1, min(self.current, size // 2))

    def accepted(self, size: int, secs: float = 0.0, gas: Gas | None = None) -> None:
        """A call of `size` wallets went through, after so many seconds."""
        if gas is not None and gas.holders >= FEW:
            each = max(1, (gas.used - FIXED_GAS) // gas.holders + 1)
            self._by_gas = max(1, int(gas.given * SPARE_GAS - FIXED_GAS) // each)
        self._calls += 1
        if self._calls > FORGET_AFTER:
            self._refused = None
        if secs > SLOW_SECS:
            self.current = max(1, self.current * 3 // 4)
        elif size >= self.current:
            self.current = self._next()
        if self._by_gas is not None:
            self.current = min(self.current, self._by_gas)

    def _next(self) -> int:
        if self._refused is None:
            return min(self.most, self.current * 2)
        return min(self.most, max(self.current, min(self._refused - 1, self.current + max(1, int(self.current * STEP)))))
