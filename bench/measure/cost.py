"""What a sweep costs its provider's bill: bytes a wallet both ways, gas a holder, and calls and compute units for 3.15 million wallets.

Bytes are counted by a proxy in a run of its own. Gas is the least with which the sweep's own fullest call still gives the same answer,
found by bisection on anvil. The 3.15 million rows are swept in full, on the canned node, which refuses a call for more gas than the cap
by what the bisection found.
"""

from __future__ import annotations

import json
from typing import Any

from actors.config.prices import shipped
from actors.errors import TrueupError
from actors.sandbox.anvil import Anvil
from bench import database, peers
from bench.canned import canned
from bench.ceilings import holders_in
from bench.node import node
from bench.proxy import Proxy
from bench.report import Report, Table, number
from bench.scene import RUNGS, Scale, Stage, not_built, rung, rungs, source_words, stage, wallet_file
from bench.state import GAS_LIMIT

WALLETS = 3_150_000
MOST_A_CALL = 6_000  # the config's own default
COLD_LOADS = 3 * 2_100
PRICES = shipped()["alchemy"]  # of the program's own price file
GAS_WORDS = (0, 6)  # of a packed answer: they say how much gas there was
PRECISION = 500


def run(scale: Scale) -> Report:
    """See the module."""
    report = Report("cost")
    rows = scale.of(50_000, 3_000)
    wire = Table("Bytes a wallet on the wire, HTTP headers and probing included", ["", "wallets a call", "up", "down", "both"])
    gas = Table(f"Gas a holder, intrinsic gas included ({COLD_LOADS:,} of it are the three cold loads)", ["", "holders", "gas", "over the cold loads"])
    per_holder: dict[str, int] = {}
    with stage(rows) as ground, node(rows) as anvil:
        there = rungs(ground.folder, ground.url)
        report.notes += not_built(there)
        for name in there:
            scale.show(f"  bytes and gas, {name}")
            body = _bytes(ground, anvil, name, wire)
            holders, least = holders_in(body), _least_gas(anvil, json.loads(body))
            per_holder[name] = least // holders
            gas.rows.append([name, str(holders), number(least / holders), f"{least / holders / COLD_LOADS:.2f}x"])
        _peer_bytes(scale, ground, anvil, wire, report)
    report.tables += [wire, gas]
    report.headlines["bytes_gas"] = f"{wire.rows[0][4]} / {gas.rows[0][3]} ({there[0]})"
    _calls(scale, report, per_holder)
    return report


def _bytes(ground: Stage, anvil: Anvil, name: str, table: Table) -> bytes:
    database.reset(ground.url)
    with Proxy(anvil.port) as proxy:
        ground.program(proxy.http, chain=rung(name)).run("sweep")
        body, up, down = proxy.largest(), proxy.up / ground.rows, proxy.down / ground.rows
    ground.check()
    table.rows.append([f"trueup {name}", f"{holders_in(body)} of {RUNGS[name]}", number(up), number(down), number(up + down)])
    return body


def _peer_bytes(scale: Scale, ground: Stage, anvil: Anvil, table: Table, report: Report) -> None:
    if gone := scale.missing("multicall_py"):
        report.notes.append(f"multicall.py: {gone['multicall_py']}")
        return
    count = 2_000
    with Proxy(anvil.port) as proxy:
        peers.drive("multicall_py", "reads.py", "multicall.py", proxy.http, wallet_file(ground.folder, count), 500, *source_words())
        up, down = proxy.up / count, proxy.down / count
    table.rows.append(["multicall.py", "500", number(up), number(down), number(up + down)])


def _least_gas(anvil: Anvil, asked: dict[str, Any]) -> int:
    """The least gas, within `PRECISION`, with which the call gives the same answer."""
    call, *others = asked["params"]
    packed = not call["data"].startswith("0x82ad56cb")

    def answer(gas: int) -> list[str] | None:
        try:
            found = anvil.rpc("eth_call", {**call, "gas": hex(gas)}, *others)
        except TrueupError:
            return None
        words = [found[at : at + 64] for at in range(2, len(found), 64)]
        return [word for at, word in enumerate(words) if not (packed and at in GAS_WORDS)]

    low, high = 0, GAS_LIMIT
    right = answer(high)
    if right is None:
        raise TrueupError("the fullest call does not go through again")
    while high - low > PRECISION:
        middle = (low + high) // 2
        low, high = (low, middle) if answer(middle) == right else (middle, high)
    return high


def _calls(scale: Scale, report: Report, per_holder: dict[str, int]) -> None:
    rows = scale.of(WALLETS, 5_000)
    title = f"Calls and compute units for {rows:,} wallets under a cap of {GAS_LIMIT:,} gas (canned node, every row checked)"
    table = Table(title, ["", "eth_calls", "other calls", "compute units", "of the 3 sources as single calls"])
    # Never less than what was bisected: without a rung its price is of no matter.
    prices = {"gas_packed": per_holder.get("packed", 8_700), "gas_multicall3": per_holder.get("multicall3", 19_000)}
    with stage(rows) as ground:
        for name in per_holder:
            scale.show(f"  {rows} wallets, {name}")
            with canned(**prices) as target:
                ground.sweep(target.http, rung(name, holders=MOST_A_CALL))
                counts = target.counts()
            units = sum(PRICES.of(method) * count for method, count in counts.items())
            others = ", ".join(f"{method} {count}" for method, count in counts.items() if count and method != "eth_call")
            single = f"1/{rows * 3 * PRICES.of('eth_call') / units:,.0f}"
            table.rows.append([name, f"{counts['eth_call']:,}", others, f"{units:,}", single])
    report.tables.append(table)
    first = table.rows[0]
    report.headlines["calls_units"] = f"{first[1]} / {first[3]} ({first[0]}, {rows:,} wallets)"
