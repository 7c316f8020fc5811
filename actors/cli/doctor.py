"""`trueup doctor`: looks at all that the service stands on, and says what mends what is wrong. It changes nothing."""

from __future__ import annotations

import json
import shutil
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TextIO

import psycopg
import trio

from actors import log
from actors.cli import FAILED, OK
from actors.config import Config
from actors.doctor import archives, database, ledger_assets, ledger_lookups, ledger_tables, nodes
from actors.doctor.finding import Finding, wrong
from actors.doctor.node.probe import Progress, silent
from actors.errors import ConfigError
from actors.evm import ws
from actors.evm.http import HttpClient
from actors.secrets import mask
from actors.store import ledger, schema
from actors.store.ledger import ChainRow, columns
from actors.store.ledger_schema import LEDGER_CHAINS, NEEDED
from actors.store.postgres import Conn, connect, one_line

LONGEST_SECS = 60  # of one statement: a table may have many millions of rows


def main(config: Config, args: Namespace) -> int:
    """The command."""
    found, rows = _tables(config)
    found += trio.run(_nodes, config, rows, args.quick)
    if args.json:
        print(mask(json.dumps([asdict(each) for each in found], indent=2)))
    else:
        for each in found:
            print(_lines(each))
        bad = sum(not each.ok for each in found)
        print(f"{bad} of {len(found)} are wrong" if bad else "nothing is wrong")
    return OK if all(each.ok for each in found) else FAILED


def _lines(finding: Finding) -> str:
    """Each is made one line: what a node says of itself must neither steer the terminal nor look like another finding."""
    mark = "wrong" if not finding.ok else "hint " if finding.fix else "ok   "
    said = [f"{mark} {finding.about}: {finding.text}", *(f"      {line}" for line in finding.details)]
    return "\n".join(log.one_line(mask(line)) for line in [*said, *([f"      fix: {finding.fix}"] if finding.fix else [])])


def _tables(config: Config) -> tuple[list[Finding], list[ChainRow]]:
    try:
        with connect(config.database.url) as conn, conn.transaction(force_rollback=True):
            # For this transaction alone: behind a pooler the session is another program's next.
            conn.execute("set transaction read only")
            conn.execute(f"set local statement_timeout = '{LONGEST_SECS}s'")
            return _looked(conn, config)
    except psycopg.Error as error:
        return [wrong("database", one_line(error), "database.url")], []


def _looked(conn: Conn, config: Config) -> tuple[list[Finding], list[ChainRow]]:
    found, rows = _part(conn, "database", lambda: database.look(conn)), list[ChainRow]()
    found += _part(conn, "schema", lambda: _schema(conn, config))
    if config.ledger.enabled:
        found += _part(conn, "ledger tables", lambda: ledger_tables.look(conn, config.ledger))
        if all(columns(conn, name) for name in (*NEEDED, *LEDGER_CHAINS, "trueup_set_aside")):
            found += _part(conn, "addresses", lambda: ledger_lookups.look(conn, config.ledger))
            found += _part(conn, "assets", lambda: ledger_assets.look(conn))
            rows = ledger.chains(conn)
    return found, rows


def _schema(conn: Conn, config: Config) -> list[Finding]:
    try:
        schema.check(conn, config)
    except ConfigError as error:
        return [wrong("schema", str(error), "trueup init -c FILE, or what is said below of its table")]
    return [Finding("schema", "has all that the config needs")]


def _part(conn: Conn, about: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """What one part of it finds; what Postgres does not answer is a finding, and the others are looked at all the same."""
    try:
        with conn.transaction():
            return list(look())
    except (psycopg.Error, ConfigError) as error:
        return [wrong(about, f"cannot be looked at: {one_line(error)}", "whatever Postgres says is missing: a right, a type, time")]


async def _nodes(config: Config, rows: list[ChainRow], quick: bool) -> list[Finding]:
    async with HttpClient(config.ca_file) as client:
        with measuring() as progress:
            own = await nodes.look(client, config, quick, progress, partial(ws.connect, trusted=client.tls))
            own += await archives.look(client, config, quick, progress)
            return own + [each async for each in nodes.look_at_ledger(client, config, rows)]


@contextmanager
def measuring(stream: TextIO | None = None) -> Iterator[Progress]:
    """A line that says what is measured now, where there is a terminal; it is gone at the end."""
    out = stream or sys.stderr
    if not out.isatty():
        yield silent
        return
    now: dict[str, str] = {}

    def show(endpoint: str, what: str, calls: int) -> None:
        now[endpoint] = f"{endpoint} {what} ({calls} calls)"
        line = log.one_line(mask(" · ".join(now.values())))
        out.write("\r\x1b[K" + line[: shutil.get_terminal_size().columns - 1])
        out.flush()

    try:
        yield show
    finally:
        out.write("\r\x1b[K")
        out.flush()
