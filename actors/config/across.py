"""What no key shows by itself: entries that name or exclude each other."""

from __future__ import annotations

from collections.abc import Iterable

from actors.config.checks import bare_table
from actors.config.keys import DEFAULT_PRICES, Config, nearest
from actors.config.place import Place


def check(config: Config, place: Place) -> None:
    if not config.chains and not config.ledger.enabled:
        raise place.at("chain").wrong("at least one [[chain]]", "none")
    if not config.assets and not config.ledger.enabled:
        raise place.at("asset").wrong("at least one [[asset]], or [ledger] enabled", "neither")
    _once("chain", "name", ((chain.name.lower(), chain.name) for chain in config.chains), place)
    _once("asset", "name", ((asset.name.lower(), asset.name) for asset in config.assets), place)
    _once("asset", "table", ((bare_table(asset.table), asset.table) for asset in config.assets), place)
    _once("asset", "checkpoint", ((asset.checkpoint, asset.checkpoint) for asset in config.assets), place)
    _chains_exist(config, place)
    _prices_exist(config, place)
    _pairs(config, place)


def _once(kind: str, name: str, values: Iterable[tuple[str, str]], place: Place) -> None:
    first: dict[str, int] = {}
    for index, (value, text) in enumerate(values):
        if value in first:
            here = place.at(kind).entry(index).at(name)
            raise here.wrong(f"another {name} than that of {kind}[{first[value]}]", f'"{text}" again')
        first[value] = index


def _chains_exist(config: Config, place: Place) -> None:
    names = [chain.name for chain in config.chains]
    for index, asset in enumerate(config.assets):
        if asset.chain not in names:
            here = place.at("asset").entry(index).at("chain")
            raise here.wrong("the name of a [[chain]]", f'"{asset.chain}", {nearest(asset.chain, names)}')


def _prices_exist(config: Config, place: Place) -> None:
    if config.ledger.enabled and DEFAULT_PRICES not in config.prices:
        expected = f"a table named {DEFAULT_PRICES}, for the ledger's own chains"
        raise place.at("budget").at("prices_file").wrong(expected, ", ".join(config.prices) or "none")
    for index, chain in enumerate(config.chains):
        if chain.prices not in config.prices:
            here = place.at("chain").entry(index).at("prices")
            file = config.budget.prices_file or "the price file"
            raise here.wrong(f"a table of {file}", f'"{chain.prices}", {nearest(chain.prices, list(config.prices))}')


def _pairs(config: Config, place: Place) -> None:
    backoff = config.supervisor
    if backoff.backoff_initial_secs > backoff.backoff_max_secs:
        here = place.at("supervisor").at("backoff_initial_secs")
        raise here.wrong(
            f"at most backoff_max_secs ({backoff.backoff_max_secs:g})", f"{backoff.backoff_initial_secs:g}"
        )
    if config.chaos.enabled and not config.chaos.token:
        raise place.at("chaos").at("token").wrong("a token, since chaos is enabled", "an empty text")
