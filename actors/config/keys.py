"""Every key of the config with its type and default, one frozen dataclass a table.

A key's metadata says what the type cannot: `check` (see checks.py), `low` and `high` (inclusive; `above`:
exclusive), `few` (how many entries an array needs), `choices`, `secret` (never shown, also not in an error),
`tunable` (SIGHUP changes it in place; the others need a restart), and `off_at_zero` (what a 0 turns off, a restart
alone turns on or off). A number is tunable unless it says otherwise, a text only where it says so. A key without a
default is required.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from actors.budget.prices import Prices
from actors.config import checks, prices
from actors.errors import ConfigError
from actors.evm.logs import Trigger
from actors.evm.source import Source

MULTICALL3 = bytes.fromhex("cA11bde05977b3631167028862bE2a173976CA11")
ADDRESS_TABLES = ("user_wallet_addresses", "operation_wallet_addresses")
DEFAULT_PRICES = "plain"
LONGEST_SECS = 1e9
LARGEST = 2**31 - 1
MOST_UNITS = 10**15


def key(default: Any = dataclasses.MISSING, *, secret: bool = False, tunable: bool = False, **metadata: Any) -> Any:
    return dataclasses.field(default=default, repr=not secret, metadata={"secret": secret, "tunable": tunable, **metadata})


def secs(default: float, *, zero: bool = False, **metadata: Any) -> Any:
    metadata["low" if zero else "above"] = 0
    return key(default, tunable=True, high=LONGEST_SECS, **metadata)


def count(default: Any = dataclasses.MISSING, *, low: int = 1, high: int = LARGEST, tunable: bool = True, **metadata: Any) -> Any:
    return key(default, low=low, high=high, tunable=tunable, **metadata)


def text(
    check: Callable[[str], Any], default: Any = dataclasses.MISSING, *, secret: bool = False, few: int = 0, tunable: bool = False
) -> Any:
    """`few`: how many entries an array needs at least."""
    return key(default, secret=secret, check=check, few=few, tunable=tunable)


@dataclass(frozen=True, slots=True)
class DatabaseConfig:
    url: str = text(checks.database_url, secret=True)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    bind: str = text(checks.bind, "127.0.0.1:1325")
    hosts: tuple[str, ...] = text(checks.host_name, ())

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on; None: turned off."""
        return checks.split_bind(self.bind) if self.bind else None


@dataclass(frozen=True, slots=True)
class LogConfig:
    """`level` is the service's; the other commands say what goes wrong, and show their progress themselves."""

    format: str = key("console", choices=("console", "json"), tunable=True)
    level: str = key("info", choices=("debug", "info", "warning", "error"), tunable=True)


@dataclass(frozen=True, slots=True)
class ChainConfig:
    name: str = text(checks.name)
    chain_id: int = count(high=2**63 - 1, tunable=False)
    http: tuple[str, ...] = text(checks.http_url, secret=True, few=1)
    ws: tuple[str, ...] = text(checks.ws_url, (), secret=True)
    archive: tuple[str, ...] = text(checks.http_url, (), secret=True)
    follow: str = key("logs", choices=("logs", "heads"), tunable=True)
    confirm_secs: float = secs(60)
    poll_interval_secs: float = secs(4)
    stall_secs: float = secs(60)
    max_log_blocks: int = count(9000)
    holders_per_call: int = count(6000)
    calls_in_flight: int = count(4, high=1000)
    reads: str = key("auto", choices=("auto", "packed", "multicall3", "deployless", "single"), tunable=True)
    multicall3: bytes = text(checks.address, MULTICALL3)
    prices: str = text(checks.name, DEFAULT_PRICES, tunable=True)
    compute_units_per_sec: int = count(0, low=0)
    compute_units_per_month: int = count(0, low=0, high=MOST_UNITS)
    month_starts_on: int = count(1, high=28)


@dataclass(frozen=True, slots=True)
class AssetConfig:
    """`calls` holds the signatures of `sources` as they were written ("" for the native balance)."""

    name: str = text(checks.name)
    chain: str = text(checks.name)
    table: str = text(checks.table)
    checkpoint: str = text(checks.words)
    sources: tuple[Source, ...] = key(few=1)
    triggers: tuple[Trigger, ...] = key(())
    track: str = text(checks.track, "discover")
    target_age_secs: float = secs(0, zero=True)
    calls: tuple[str, ...] = dataclasses.field(default=(), compare=False, metadata={"derived": True})


@dataclass(frozen=True, slots=True)
class TlsConfig:
    ca_file: str = key("")


@dataclass(frozen=True, slots=True)
class BudgetConfig:
    prices_file: str = key("", tunable=True)


@dataclass(frozen=True, slots=True)
class SweeperConfig:
    interval_secs: float = secs(30)
    batch_size: int = count(50, high=1_000_000)


@dataclass(frozen=True, slots=True)
class LedgerConfig:
    enabled: bool = key(False)
    address_from: tuple[str, ...] = text(checks.lookup, ADDRESS_TABLES, few=1)
    interval_secs: float = secs(30)
    batch_size: int = count(50, high=1_000_000)
    lease_secs: float = secs(120)


@dataclass(frozen=True, slots=True)
class AuditConfig:
    rows_a_minute: int = count(0, low=0, off_at_zero=True)


@dataclass(frozen=True, slots=True)
class SupervisorConfig:
    max_restarts: int = count(10, low=0)
    within_secs: float = secs(60)
    backoff_initial_secs: float = secs(0.1)
    backoff_max_secs: float = secs(5)
    grace_secs: float = secs(10)
    progress_secs: float = secs(90)


@dataclass(frozen=True, slots=True)
class ChaosConfig:
    enabled: bool = key(False)
    token: str = text(checks.token, "", secret=True)
    kill_every_secs: float = secs(0, zero=True, off_at_zero=True)


@dataclass(frozen=True, slots=True)
class Config:
    """The whole config. `path` is the file it is from, `prices` the price file's tables by name."""

    database: DatabaseConfig
    chains: tuple[ChainConfig, ...]
    assets: tuple[AssetConfig, ...]
    server: ServerConfig = ServerConfig()
    log: LogConfig = LogConfig()
    tls: TlsConfig = TlsConfig()
    budget: BudgetConfig = BudgetConfig()
    sweeper: SweeperConfig = SweeperConfig()
    ledger: LedgerConfig = LedgerConfig()
    audit: AuditConfig = AuditConfig()
    supervisor: SupervisorConfig = SupervisorConfig()
    chaos: ChaosConfig = ChaosConfig()
    path: str = ""
    prices: Mapping[str, Prices] = dataclasses.field(default_factory=prices.shipped, compare=False, repr=False)

    @property
    def ca_file(self) -> str:
        """The path of `tls.ca_file`, which stands beside the config; "" where there is none."""
        return str(Path(self.path).parent / self.tls.ca_file) if self.tls.ca_file else ""

    def chain(self, name: str) -> ChainConfig:
        return _named("chain", self.chains, name)

    def asset(self, name: str) -> AssetConfig:
        return _named("asset", self.assets, name)

    def assets_of(self, chain: str) -> tuple[AssetConfig, ...]:
        return tuple(asset for asset in self.assets if asset.chain == chain)


# In the order of the reference file.
TABLES: dict[str, type[Any]] = {
    "database": DatabaseConfig,
    "server": ServerConfig,
    "log": LogConfig,
    "tls": TlsConfig,
    "budget": BudgetConfig,
    "sweeper": SweeperConfig,
    "ledger": LedgerConfig,
    "audit": AuditConfig,
    "supervisor": SupervisorConfig,
    "chaos": ChaosConfig,
}
ARRAYS: dict[str, type[Any]] = {"chain": ChainConfig, "asset": AssetConfig}
# Tables that may be off, and then need nothing from the environment.
SWITCHED = ("ledger", "chaos")


def keys_of(table: type[Any]) -> dict[str, dataclasses.Field[Any]]:
    return {each.name: each for each in dataclasses.fields(table) if "derived" not in each.metadata}


def nearest(word: str, known: list[str]) -> str:
    """ "did you mean x?", or all that is known where nothing is near."""
    folded = {each.lower(): each for each in known}
    close = get_close_matches(word.lower(), folded, n=1, cutoff=0.5)
    return f"did you mean {folded[close[0]]}?" if close else f"known are {', '.join(known)}"


_Entry = TypeVar("_Entry", ChainConfig, AssetConfig)


def _named(kind: str, entries: tuple[_Entry, ...], name: str) -> _Entry:
    for entry in entries:
        if entry.name == name:
            return entry
    raise ConfigError(f"there is no {kind} named {name}, {nearest(name, [entry.name for entry in entries])}")
