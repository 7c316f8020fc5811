"""`trueup run`: the service."""

from __future__ import annotations

import argparse
import signal
from collections.abc import AsyncIterator

import trio

from actors import log as logs
from actors.config import Config
from actors.evm.http import HttpClient
from actors.memory import keep_what_is_there, share_one_heap
from actors.supervisor import GaveUp
from actors.system import System

log = logs.get_logger("system")


async def first(signals: AsyncIterator[int]) -> None:
    """Wait for the first signal."""
    async for number in signals:
        log.info("got", signal=signal.Signals(number).name)
        return


async def serve(config: Config) -> int:
    """Run until SIGTERM or SIGINT; 0 after a clean stop, 1 when the supervisor gave up."""
    share_one_heap()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with HttpClient() as client:
            system = System(config, client)
            await system.check()
            keep_what_is_there()
            log.info("starts", chains=len(config.chains), assets=len(config.assets))
            try:
                await system.run(system.service(), lambda: first(signals))
            except GaveUp as error:
                log.error(str(error))
                return 1
    return 0


def main(config: Config, args: argparse.Namespace) -> int:
    """The command."""
    return trio.run(serve, config)
