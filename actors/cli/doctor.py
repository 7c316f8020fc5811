"""`trueup doctor`: looks at all that the service stands on, and says what mends what is wrong. It changes nothing."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import asdict

import psycopg
import trio

from actors.cli import FAILED, OK
from actors.config import Config
from actors.doctor import ledger_assets, ledger_lookups, ledger_tables, nodes
from actors.doctor.finding import Finding, wrong
from actors.errors import ConfigError
from actors.evm.http import HttpClient
from actors.secrets import mask
from actors.store import ledger, schema
from actors.store.ledger import ChainRow, columns
from actors.store.ledger_schema import LEDGER_CHAINS, NEEDED
from actors.store.postgres import Conn, connect, one_line


def main(config: Config, args: Namespace) -> int:
    """The command."""
    found, rows = _tables(config)
    found += trio.run(_nodes, config, rows)
    if args.json:
        print(mask(json.dumps([asdict(each) for each in found], indent=2)))
    else:
        for each in found:
            print(mask(_line(each)))
        bad = sum(not each.ok for each in found)
        print(f"{bad} of {len(found)} are wrong" if bad else "nothing is wrong")
    return OK if all(each.ok for each in found) else FAILED


def _line(finding: Finding) -> str:
    mark = "wrong" if not finding.ok else "hint " if finding.fix else "ok   "
    return f"{mark} {finding.about}: {finding.text}" + (f"\n      fix: {finding.fix}" if finding.fix else "")


def _tables(config: Config) -> tuple[list[Finding], list[ChainRow]]:
    try:
        with connect(config.database.url) as conn:
            conn.execute("set default_transaction_read_only = on; set statement_timeout = 0")
            return _looked(conn, config)
    except psycopg.Error as error:
        return [wrong("database", one_line(error), "database.url")], []


def _looked(conn: Conn, config: Config) -> tuple[list[Finding], list[ChainRow]]:
    found, rows = [Finding("database", f"PostgreSQL {conn.info.parameter_status('server_version')}")], list[ChainRow]()
    try:
        schema.check(conn, config)
    except ConfigError as error:
        found.append(wrong("schema", str(error), "trueup init -c FILE"))
    else:
        found.append(Finding("schema", "has all that the config needs"))
    if config.ledger.enabled:
        found += ledger_tables.look(conn, config.ledger)
        if all(columns(conn, name) for name in (*NEEDED, *LEDGER_CHAINS, "trueup_set_aside")):
            found += [*ledger_lookups.look(conn, config.ledger), *ledger_assets.look(conn, config)]
            rows = ledger.chains(conn)
    return found, rows


async def _nodes(config: Config, rows: list[ChainRow]) -> list[Finding]:
    async with HttpClient() as client:
        own = [each async for each in nodes.look(client, config)]
        return own + [each async for each in nodes.look_at_ledger(client, config, rows)]
