"""`trueup run`: the service."""

from __future__ import annotations

import argparse
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial

import trio

from actors import log as logs
from actors import notifier
from actors.config import Config, load
from actors.evm import ws
from actors.evm.http import HttpClient
from actors.mailbox import Bell
from actors.memory import keep_what_is_there, share_one_heap
from actors.supervisor import GaveUp
from actors.system import System
from actors.tuning import Tuning

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
log = logs.get_logger("system")


async def first(signals: AsyncIterator[int]) -> int:
    """Wait for the next signal; its number."""
    number = await anext(signals)
    log.info("got", signal=signal.Signals(number).name)
    return number


async def until_stopped(signals: AsyncIterator[int], tuning: Tuning) -> None:
    """Wait for the signal that ends the service; at SIGHUP the config file is read again, beside that."""
    asked = Bell()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tuning.run, asked)
        while await first(signals) == signal.SIGHUP:
            asked.ring()
        nursery.cancel_scope.cancel()


@contextmanager
def beside_signals() -> Iterator[None]:
    """No signal ends, which it would by itself, a service that stops, to which Trio gives once more what it has not taken, or an interpreter
    that ends: neither a hangup nor a second SIGTERM, as the loader of the one-file executable hands on what its whole group has got. To hold
    them back is not enough there, since threads have masks of their own.
    """
    for number in SIGNALS:
        signal.signal(number, lambda number, frame: None)
    try:
        yield
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)


async def serve(config: Config) -> int:
    """Run until SIGTERM or SIGINT; 0 after a clean stop, 1 when the supervisor gave up."""
    share_one_heap()
    with beside_signals(), trio.open_signal_receiver(*SIGNALS) as signals:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})  # one that came before is read now (see `__main__`)
        async with HttpClient(config.ca_file) as client:
            system = System(config, client, partial(ws.connect, trusted=client.tls))
            await system.check()
            keep_what_is_there()
            log.info("starts", chains=len(config.chains), assets=len(config.assets))
            try:
                tuning = Tuning(system, partial(load, config.path))
                specs = [*system.service(), *notifier.specs(system, os.environ)]
                await system.run(specs, lambda: until_stopped(signals, tuning))
            except GaveUp as error:
                log.error(str(error))
                return 1
    return 0


def main(config: Config, args: argparse.Namespace) -> int:
    """The command."""
    return trio.run(serve, config)
