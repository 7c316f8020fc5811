"""Endpoints: which answer, on which chain they are, and what they serve; all of them at the same time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field

import trio

from actors.budget.prices import Prices
from actors.config import AssetConfig, ChainConfig, Config
from actors.config.checks import Unexpected, http_url
from actors.doctor.finding import Finding, hint, wrong
from actors.doctor.node import measure, shown
from actors.doctor.node.advice import Chain, advise
from actors.doctor.node.measured import Measured, Pushed, numbers
from actors.doctor.node.probe import Probe, Progress, silent
from actors.doctor.node.push import push
from actors.errors import NodeError
from actors.evm import ws
from actors.evm.endpoint import Endpoint, Http, public_name
from actors.evm.pool import names_of
from actors.store.ledger import ChainRow

BEHIND_BLOCKS, BEHIND_SECS = 3, 60.0  # a hint, and what is wrong
LATE_SECS, LATE_BLOCKS = 60.0, 20
SOCKET_SECS = 5.0


@dataclass
class Look:
    """What to look at, and how. `quick`: no searches, and no waiting for pushes."""

    client: Http
    config: Config
    quick: bool = False
    progress: Progress = silent
    connect: ws.Connect = ws.connect
    ws_found: list[str] = field(default_factory=list)


async def look(
    client: Http, config: Config, quick: bool = False, progress: Progress = silent, connect: ws.Connect = ws.connect
) -> list[Finding]:
    """The endpoints of the config, in its order, then what to put into it."""
    found: dict[str, list[Finding]] = {chain.name: [] for chain in config.chains}

    async def one(chain: ChainConfig) -> None:
        found[chain.name] = await _chain(Look(client, config, quick, progress, connect), chain)

    async with trio.open_nursery() as nursery:
        for chain in config.chains:
            nursery.start_soon(one, chain)
    return [finding for each in found.values() for finding in each]


async def _chain(look: Look, chain: ChainConfig) -> list[Finding]:
    prices = look.config.prices[chain.prices]
    named = zip(names_of(chain.http), chain.http, strict=True)
    probes = [Probe(name, url, chain, prices, look.client, look.progress) for name, url in named]
    assets, sockets = look.config.assets_of(chain.name), list[Pushed]()
    async with trio.open_nursery() as nursery:
        for probe in probes:
            nursery.start_soon(measure.stands, probe)
    stand = [probe for probe in probes if not probe.found.error]
    heads = [probe.head for probe in stand]
    async with trio.open_nursery() as nursery:
        for probe in stand:
            probe.found.blocks_behind = max(heads) - probe.head if len(heads) > 1 else None
            nursery.start_soon(_endpoint, look, probe, assets)
        nursery.start_soon(_sockets, look, chain, stand, assets, sockets)
    measured = [probe.found for probe in probes]
    findings = [finding for each in measured for finding in _said(each, chain)] + [_socket(each, chain) for each in sockets]
    return findings + list(advise(Chain(chain, measured, sockets, look.ws_found)))


async def _endpoint(look: Look, probe: Probe, assets: Sequence[AssetConfig]) -> None:
    await measure.serves(probe)
    if not look.quick and not probe.found.error:
        await measure.limits(probe, assets)


async def _sockets(look: Look, chain: ChainConfig, stand: list[Probe], assets: Sequence[AssetConfig], found: list[Pushed]) -> None:
    """One after the other: the first are preferred, and each counts against the same rate."""
    probe = next(iter(stand), None)
    for url in chain.ws:
        look.progress(public_name(url), "push", 0)
        found.append(await push(url, probe, assets, not look.quick, look.connect))
    if not chain.ws:
        async with trio.open_nursery() as nursery:
            for each in stand:
                nursery.start_soon(_socket_of_http, look, each)


async def _socket_of_http(look: Look, probe: Probe) -> None:
    """Many providers take a WebSocket where they take HTTP."""
    with trio.move_on_after(SOCKET_SECS):
        tried = await push("ws" + probe.endpoint.url.removeprefix("http"), None, (), False, look.connect)
        if tried.subscribed and tried.chain_id == probe.chain.chain_id:
            look.ws_found.append(tried.socket)


def _said(found: Measured, chain: ChainConfig) -> Iterator[Finding]:
    """The endpoint itself, and what is not well with it."""
    about = f"chain {chain.name}"
    if found.chain_id not in (None, chain.chain_id):
        text = f"{found.endpoint} is chain {found.chain_id}, not {chain.chain_id}"
        yield Finding(about, text, False, f"chain_id = {found.chain_id}, or another URL in http", measured=numbers(found))
    elif found.error:
        text, fix = f"{found.endpoint}: {found.error}", "another URL in http, or another way in reads"
        yield Finding(about, text, False, fix, measured=numbers(found))
    else:
        hashes = "honoured" if found.hash_pins else "not honoured: pinned by number, and proven inside the call"
        text = f"{found.endpoint} reads by {', '.join(found.rungs)}; block hashes are {hashes}"
        yield Finding(about, text, details=shown.lines(found), measured=numbers(found))
        yield from _not_well(found, chain, about)


def _not_well(found: Measured, chain: ChainConfig, about: str) -> Iterator[Finding]:
    secs, behind = found.block_secs or 1.0, found.blocks_behind or 0
    if chain.reads not in ("auto", *found.rungs):
        yield wrong(about, f"{found.endpoint} does not serve {chain.reads}, which reads names", f'reads = "auto", or "{found.rungs[0]}"')
    if found.syncing:
        yield wrong(about, f"{found.endpoint} is still syncing", "another URL in http until it is done")
    elif behind * secs > BEHIND_SECS and behind >= BEHIND_BLOCKS:
        yield wrong(about, f"{found.endpoint} is {behind} blocks behind the others", "another URL in http, or restart that node")
    elif behind >= BEHIND_BLOCKS:
        yield hint(about, f"{found.endpoint} is {behind} blocks behind the others", "a later place in http")
    elif (age := found.head_age_secs or 0.0) > max(LATE_SECS, LATE_BLOCKS * secs):
        yield hint(about, f"the head of {found.endpoint} is {age:,.0f} s old", "see whether the chain stands still, or only this node")
    if found.state_empty:
        yield wrong(about, f"{found.endpoint} answers pruned state as if it were empty", "another URL in http: no answer of its old blocks can be believed")
    if found.logs_cut and found.log_results:
        most, due = found.log_results.accepted, (found.events_per_block or 0) * chain.max_log_blocks
        text = f"{found.endpoint} leaves logs out of an answer above {most}, without an error; max_log_blocks has {due:,.0f} of the assets' events"
        yield Finding(about, text, due < most, "a shorter max_log_blocks, or another URL in http")


def _socket(found: Pushed, chain: ChainConfig) -> Finding:
    about = f"chain {chain.name}"
    if found.error:
        return Finding(about, f"{found.socket}: {found.error}", False, "another URL in ws, or ws = [] to poll", measured=numbers(found))
    if found.chain_id != chain.chain_id:
        text = f"{found.socket} is chain {found.chain_id}, not {chain.chain_id}"
        return Finding(about, text, False, "another URL in ws", measured=numbers(found))
    silent = found.waited_secs and found.first_head_secs is None and found.http_blocks
    withheld = found.logs is not None and found.logs_due is not None and found.logs < found.logs_due
    fix = "another URL in ws, or ws = [] to poll" if silent or withheld else ""
    return Finding(about, shown.pushed(found), not fix, fix, measured=numbers(found))


async def look_at_ledger(client: Http, config: Config, rows: list[ChainRow]) -> AsyncIterator[Finding]:
    """The nodes that rows of `chains` name. Their limits are not measured: no key of the config would follow from them."""
    configured = {chain.name.lower(): chain for chain in config.chains}
    for row in rows:
        about, own = f"chains {row.name}", configured.get(row.name.lower())
        if own is not None:
            if row.chain_id not in (None, own.chain_id):
                yield _moved(row, own.chain_id)
            else:
                yield Finding(about, f"read by the [[chain]] {own.name} of the config")
            continue
        yield await _node(client, row, about)


async def _node(client: Http, row: ChainRow, about: str) -> Finding:
    fix = f"UPDATE chains SET rpc_url = 'https://…' WHERE id = '{row.id}'; or a [[chain]] named \"{row.name}\""
    if not row.rpc_url:
        return wrong(about, "has no rpc_url", fix)
    try:
        url = http_url(row.rpc_url)
    except Unexpected as error:
        return wrong(about, f"rpc_url: expected {error.expected}", fix)
    endpoint = Endpoint(public_name(url), url, 0, 0, client)
    try:
        found = await endpoint.chain_id()
    except NodeError as error:
        return wrong(about, f"{endpoint.name}: {error}", fix)
    if row.chain_id is not None and row.chain_id != found:
        return _moved(row, found)
    text = f"{endpoint.name} is chain {found}" + ("" if row.chain_id is None else ", as it was when it was first asked")
    return await _read(client, url, ChainConfig(row.name, found, (url,)), about, text)


async def _read(client: Http, url: str, chain: ChainConfig, about: str, text: str) -> Finding:
    """Where it stands, and how it is read."""
    probe = Probe(public_name(url), url, chain, Prices(), client)
    await measure.stands(probe)
    if not probe.found.error:
        await measure.serves(probe)
    if probe.found.error:
        return Finding(about, f"{probe.found.endpoint}: {probe.found.error}", False, "another rpc_url", measured=numbers(probe.found))
    return Finding(about, text, details=shown.lines(probe.found), measured=numbers(probe.found))


def _moved(row: ChainRow, found: int) -> Finding:
    text = f"its node is chain {found}, and was chain {row.chain_id} when it was first asked: nothing is read"
    fix = f"UPDATE chains SET rpc_url = 'https://…' WHERE id = '{row.id}'; or, if that is meant: DELETE FROM trueup_ledger_chains WHERE chain = '{row.id}';"
    return wrong(f"chains {row.name}", text, fix)
