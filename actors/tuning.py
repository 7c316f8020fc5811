"""The config file, read again while the service runs: what it changes is said line by line and takes effect in one step.

Takes: the file, when it is asked to. A tunable key changes in place, what needs a restart is named and left, and a file that cannot be used
changes nothing. The step has no await in it: whoever is killed, and whenever, finds all of it done or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import trio

from actors import log as logs
from actors.chain_ports import closes_every
from actors.config import ChainConfig, Config
from actors.config.changes import Changes, changes
from actors.errors import ConfigError
from actors.mailbox import Bell
from actors.ports import ChainPorts
from actors.secrets import mask
from actors.system import System
from actors.view import ConfigView

log = logs.get_logger("config")


class Tuning:
    """A system's. `read` reads the file, and raises ConfigError."""

    def __init__(self, system: System, read: Callable[[], Config]) -> None:
        self._system, self._read = system, read

    async def run(self, asked: Bell) -> None:
        """Read the file at each ring; rings that come meanwhile are one."""
        while True:
            await asked.wait()
            await self.reload()

    async def reload(self) -> None:
        """Read the file once. In a thread: a file on a disk that hangs holds up nobody, and whoever is cancelled leaves it."""
        try:
            read = await trio.to_thread.run_sync(self.attempt, abandon_on_cancel=True)
        except RuntimeError as error:  # no thread is to be had
            read = error
        self.settle(read)

    def attempt(self) -> Config | Exception:
        """The file's config, or why there is none. A service that runs must not end by a file, whatever that makes of its reader."""
        try:
            return self._read()
        except Exception as error:
            return error

    def settle(self, read: Config | Exception) -> None:
        """What is tunable of a config changes now, what is not is named; nothing does where the outcome would not be sound."""
        try:
            if isinstance(read, Exception):
                raise read
            found = changes(self._system.config, read)
        except ConfigError as error:
            self._refuse(str(error), None)
        except Exception as error:
            self._refuse(f"{type(error).__name__}: {error}", error)
        else:
            self._take(found)

    def _refuse(self, reason: str, error: Exception | None) -> None:
        self._system.view.config.error = logs.one_line(mask(reason))
        log.error(f"config: nothing changes: {reason}", exc_info=error)

    def _take(self, found: Changes) -> None:
        """Said at whichever of two levels says more."""
        level = logs.LEVELS.index
        if level(found.config.log.level) > level(self._system.config.log.level):
            _say(found)
            apply(self._system, found.config)
        else:
            apply(self._system, found.config)
            _say(found)
        self._system.view.config = ConfigView(datetime.now(UTC), None, found.restart)


def _say(found: Changes) -> None:
    for change in found.tuned:
        log.info(f"config: {change}")
    if found.restart:
        log.warning(f"config: left as it is until a restart: {', '.join(found.restart)}")
    if not found.tuned and not found.restart:
        log.info("config: nothing has changed")


def apply(system: System, config: Config) -> None:
    """The config that is in force from now on; it differs from the last one in tunable keys alone."""
    old, system.config = system.config, config
    if config.log != old.log:
        logs.setup(config.log.level, form=config.log.format)
    if config.supervisor != old.supervisor:
        system.supervisor.tune(config.supervisor)
    for ports in system.chains.values():
        ports.sweeper = config.sweeper
        if ports.config.name in [chain.name for chain in config.chains]:  # else only ledger rows are on it
            _tune_chain(ports, config.chain(ports.config.name))
            _tune_assets(ports, config)
        chain = ports.config
        ports.budget.tune(config.prices[chain.prices], chain.compute_units_per_sec, chain.compute_units_per_month, chain.month_starts_on)
        ports.hand_bell.ring()  # there may be room for more calls
    system.timers.changed()


def _tune_chain(ports: ChainPorts, chain: ChainConfig) -> None:
    if chain.reads != ports.config.reads:
        ports.reader.use(chain.reads)
        for endpoint in (*ports.pool.endpoints, *ports.archives):
            endpoint.probed = False
    ports.config = chain
    ports.view.wallets_per_call = min(ports.view.wallets_per_call, chain.holders_per_call)


def _tune_assets(ports: ChainPorts, config: Config) -> None:
    for asset in config.assets_of(ports.config.name):
        ports.assets[asset.name] = asset  # in place: it is shared
        ports.asset_views[asset.name].closes_every_secs = closes_every(ports.config)
