"""Endpoints: which answer, on which chain they are, and by which rungs they can be read."""

from __future__ import annotations

from collections.abc import AsyncIterator

from actors.config import ChainConfig, Config
from actors.config.checks import Unexpected, http_url
from actors.doctor.finding import Finding, wrong
from actors.errors import NodeError
from actors.evm.endpoint import Endpoint, Http, public_name
from actors.evm.reader import Reader
from actors.store.ledger import ChainRow


async def look(client: Http, config: Config) -> AsyncIterator[Finding]:
    """The endpoints of the config."""
    for chain in config.chains:
        for index, url in enumerate(chain.http):
            yield await _endpoint(Endpoint(public_name(url), url, index, chain.chain_id, client), chain)


async def _endpoint(endpoint: Endpoint, chain: ChainConfig) -> Finding:
    about = f"chain {chain.name}"
    try:
        found = await endpoint.chain_id()
        if found != chain.chain_id:
            return wrong(about, f"{endpoint.name} is chain {found}, not {chain.chain_id}", f"chain_id = {found}, or another URL in http")
        await Reader(chain.chain_id, chain.multicall3, chain.reads).probe(endpoint)
    except NodeError as error:
        return wrong(about, f"{endpoint.name}: {error}", "another URL in http, or another way in reads")
    hashes = "honoured" if endpoint.hash_pins else "not honoured: pinned by number, and proven inside the call"
    return Finding(about, f"{endpoint.name} reads by {', '.join(endpoint.rungs)}; block hashes are {hashes}")


async def look_at_ledger(client: Http, config: Config, rows: list[ChainRow]) -> AsyncIterator[Finding]:
    """The nodes that rows of `chains` name."""
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
    return Finding(about, f"{endpoint.name} is chain {found}" + ("" if row.chain_id is None else ", as it was when it was first asked"))


def _moved(row: ChainRow, found: int) -> Finding:
    text = f"its node is chain {found}, and was chain {row.chain_id} when it was first asked: nothing is read"
    fix = f"UPDATE chains SET rpc_url = 'https://…' WHERE id = '{row.id}'; or, if that is meant: DELETE FROM trueup_ledger_chains WHERE chain = '{row.id}';"
    return wrong(f"chains {row.name}", text, fix)
