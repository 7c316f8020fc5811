"""The config: strict, typed, one clear line for whatever is wrong.

`load(path, env)` reads it, `show(config)` is its text with secrets masked; config/trueup.toml lists all keys.
"""

from actors.config.keys import (
    AssetConfig,
    BudgetConfig,
    ChainConfig,
    ChaosConfig,
    Config,
    DatabaseConfig,
    LedgerConfig,
    ServerConfig,
    SupervisorConfig,
    SweeperConfig,
)
from actors.config.load import load
from actors.config.show import show

__all__ = [
    "AssetConfig",
    "BudgetConfig",
    "ChainConfig",
    "ChaosConfig",
    "Config",
    "DatabaseConfig",
    "LedgerConfig",
    "ServerConfig",
    "SupervisorConfig",
    "SweeperConfig",
    "load",
    "show",
]
