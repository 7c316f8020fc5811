"""The program: one subcommand a file, imported only when it is called.

Exit codes: 0 done, 1 it did not come out right, 2 bad input (one line on standard error says what is wrong).
"""

from __future__ import annotations

import argparse
import gc
import importlib
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from actors import __version__, log
from actors.errors import ConfigError, TrueupError
from actors.last_words import mask_them
from actors.log import one_line
from actors.secrets import mask

OK, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
DEFAULT_URL = "http://127.0.0.1:1325"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, without the usage above it."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"trueup: {one_line(mask(message))} (see {self.prog} --help)\n")


def main(argv: Sequence[str] | None = None) -> int:
    if argv is None:  # the process is ours
        mask_them()
    try:
        args = parser().parse_args(argv)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        return _dispatch(args)
    except ConfigError as error:
        return fail(str(error), BAD_INPUT)
    except TrueupError as error:
        return fail(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has left; nor may Python's own flush at exit complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        log.get_logger("cli").error("ends by an error that nobody expected", exc_info=error)
        return FAILED


def fail(message: str, code: int = FAILED) -> int:
    """Says what is wrong in one line on standard error; the code to return."""
    print(f"trueup: {one_line(mask(message))}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    top = _Parser(prog="trueup", description="Keeps tables of EVM wallet balances in Postgres true.")
    top.add_argument("--version", action="version", version=f"trueup {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    _demo(_command(commands, "demo", "the whole system on a private Postgres and a private chain"))
    _init(_with_config(_command(commands, "init", "apply the schema")))
    _with_config(_command(commands, "run", "the service"))
    _doctor(_with_config(_command(commands, "doctor", "check config, database, tables and nodes, and measure the nodes; says what mends what is wrong")))
    _sweep(_with_config(_command(commands, "sweep", "one whole pass over the rows now")))
    _backfill(_with_config(_command(commands, "backfill", "find wallets in past logs; resumable")))
    _verify(_with_config(_command(commands, "verify", "compare rows with the chain at the block that each names; changes nothing; exit 1 where a row is wrong, or no endpoint answered")))
    _status(_command(commands, "status", "the state of the running service"))
    _with_url(_command(commands, "top", "the running service, live in the terminal"))
    _kill(_command(commands, "kill", "kill one actor of a running service ([chaos] must be enabled)"))
    _with_config(_command(commands, "config", "the effective config, secrets masked"))
    return top


def _dispatch(args: argparse.Namespace) -> int:
    """A command's module has `main(config, args)`, or `main(args)` where it takes no config."""
    log.setup("warning")
    with _no_search_for_garbage():
        config = None
        if "config" in args:
            from actors.config import load

            config = load(args.config)
            # The service tells what it does; the others show their own progress.
            log.setup(config.log.level if args.command == "run" else "warning", form=config.log.format)
        module = importlib.import_module(f"actors.cli.{args.command}")
    return int(module.main(args) if config is None else module.main(config, args))


@contextmanager
def _no_search_for_garbage() -> Iterator[None]:
    """Imports make many objects and drop none: the collector, which looks through all of them again and again, takes a fifth of a start."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _command(commands: argparse._SubParsersAction[_Parser], name: str, does: str) -> _Parser:
    return commands.add_parser(name, help=does, description=does[0].upper() + does[1:] + ".")


def _with_config(command: _Parser) -> _Parser:
    command.add_argument(
        "-c", "--config", metavar="FILE", required=True, help="the config (see config/trueup.toml)"
    )
    return command


def _demo(command: _Parser) -> None:
    command.add_argument(
        "--for",
        dest="for_secs",
        type=_positive,
        metavar="SECONDS",
        help="end by itself and compare every row",
    )
    command.add_argument(
        "--wallets", type=_positive, default=2000, metavar="N", help="how many wallets (%(default)s)"
    )
    command.add_argument("--chaos", action="store_true", help="kill actors meanwhile")
    command.add_argument(
        "--kills-per-minute", type=_positive, default=40, metavar="N", help="how many actors --chaos kills a minute (%(default)s)"
    )
    command.add_argument("--no-sweep", action="store_true", help="the live path only")


def _init(command: _Parser) -> None:
    command.add_argument(
        "--role", metavar="NAME", help="grant that role, which must be there, what all other commands need, and no more"
    )


def _doctor(command: _Parser) -> None:
    command.add_argument("--json", action="store_true", help="the findings as JSON")
    command.add_argument("--quick", action="store_true", help="measure no limits of endpoints, and wait for no pushes")


def _sweep(command: _Parser) -> None:
    command.add_argument("--asset", metavar="NAME", help="this asset only")
    command.add_argument(
        "--limit", type=_positive, metavar="N", help="at most so many rows of each asset, oldest first"
    )
    command.add_argument("--json", action="store_true", help="the outcome as JSON")


def _backfill(command: _Parser) -> None:
    command.add_argument(
        "--from-block", type=_not_negative, required=True, metavar="N", help="the first block"
    )
    command.add_argument("--to-block", type=_not_negative, metavar="M", help="the last block (the head)")
    command.add_argument("--json", action="store_true", help="the outcome as JSON")


def _verify(command: _Parser) -> None:
    command.add_argument("--asset", metavar="NAME", help="this asset only")
    which = command.add_mutually_exclusive_group()
    which.add_argument("--sample", type=_positive, default=1000, metavar="N", help="so many random rows of each asset (%(default)s)")
    which.add_argument("--all", action="store_true", help="all rows")
    command.add_argument("--json", action="store_true", help="the outcome as JSON, a line each asset")


def _status(command: _Parser) -> None:
    _with_url(command)
    command.add_argument("--json", action="store_true", help="all of it as JSON")


def _kill(command: _Parser) -> None:
    command.add_argument("actor", metavar="ACTOR", help="its name, as `trueup status` shows it")
    _with_url(command)
    command.add_argument(
        "--token-file", metavar="FILE", help="holds the token of [chaos] (else TRUEUP_CHAOS_TOKEN)"
    )


def _with_url(command: _Parser) -> None:
    command.add_argument(
        "--url", default=DEFAULT_URL, metavar="URL", help="where the service listens (%(default)s)"
    )


def _positive(text: str) -> int:
    return _number(text, 1)


def _not_negative(text: str) -> int:
    return _number(text, 0)


def _number(text: str, low: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18 or int(text) < low:
        raise argparse.ArgumentTypeError(f"expected a whole number of at least {low}, got {text!r}")
    return int(text)
