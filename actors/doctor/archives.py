"""Archives, which the audit alone asks: whether each is on its chain, and keeps the state of all blocks."""

from __future__ import annotations

import trio

from actors.config import ChainConfig, Config
from actors.doctor.finding import Finding, hint, wrong
from actors.doctor.node import measure, shown, state
from actors.doctor.node.measured import numbers
from actors.doctor.node.probe import Probe, Progress, silent
from actors.errors import NodeError
from actors.evm.endpoint import Http
from actors.evm.pool import names_of

OTHER = "another URL in archive, or archive = []"


async def look(client: Http, config: Config, quick: bool = False, progress: Progress = silent) -> list[Finding]:
    """The archives of the config, in its order."""
    found: dict[str, Finding] = {}

    async def one(chain: ChainConfig, name: str, url: str) -> None:
        probe = Probe(f"{name} (archive)", url, chain, config.prices[chain.prices], client, progress)
        found[url] = await _archive(probe, quick)

    each = [(chain, name, url) for chain in config.chains for name, url in zip(names_of(chain.archive), chain.archive, strict=True)]
    async with trio.open_nursery() as nursery:
        for chain, name, url in each:
            nursery.start_soon(one, chain, name, url)
    return [found[url] for _, _, url in each]


async def _archive(probe: Probe, quick: bool) -> Finding:
    found, about = probe.found, f"chain {probe.chain.name}"
    await measure.stands(probe)
    if found.chain_id not in (None, probe.chain.chain_id):
        return wrong(about, f"{found.endpoint} is chain {found.chain_id}, not {probe.chain.chain_id}", OTHER)
    if not found.error:
        await measure.serves(probe)
    if not found.error and not quick:
        try:
            found.state_blocks = await state.state_blocks(probe)
        except NodeError as error:
            found.error = str(error)
        probe.spent()
    if found.error:
        return wrong(about, f"{found.endpoint}: {found.error}", OTHER)
    if found.state_blocks is not None and not found.archive:
        text = f"{found.endpoint} serves state {found.state_blocks.accepted:,} blocks back, not all: older rows cannot be checked"
        return hint(about, text, OTHER)
    return Finding(about, f"{found.endpoint} reads by {', '.join(found.rungs)}", details=shown.lines(found), measured=numbers(found))
