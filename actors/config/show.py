"""The effective config as TOML, every key with its value, secrets masked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from actors.config.checks import checksummed
from actors.config.keys import ARRAYS, TABLES, AssetConfig, Config, DatabaseConfig, keys_of
from actors.evm.logs import Trigger
from actors.evm.source import Source
from actors.secrets import HIDDEN, show_database, show_url


def show(config: Config) -> str:
    parts = [_part(f"[{name}]", getattr(config, name)) for name in list(TABLES)[:2]]
    for name in ARRAYS:
        parts += [_part(f"[[{name}]]", entry) for entry in getattr(config, f"{name}s")]
    parts += [_part(f"[{name}]", getattr(config, name)) for name in list(TABLES)[2:]]
    return "\n".join(parts)


def _part(head: str, table: Any) -> str:
    return "\n".join([head, *_lines(table), ""])


def _lines(table: Any) -> Iterator[str]:
    for name, key in keys_of(type(table)).items():
        value = getattr(table, name)
        if isinstance(table, AssetConfig) and name in ("sources", "triggers"):
            rows = _sources(table) if name == "sources" else [_trigger(each) for each in table.triggers]
            yield f"{name} = [" + "".join(f"\n  {row}," for row in rows) + ("\n]" if rows else "]")
        else:
            yield f"{name} = {toml(_hidden(table, value) if key.metadata['secret'] else value)}"


def _hidden(table: Any, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(show_url(each) for each in value)
    if isinstance(table, DatabaseConfig):
        return show_database(value)
    return HIDDEN if value else ""


def _sources(asset: AssetConfig) -> list[str]:
    calls = asset.calls or [""] * len(asset.sources)
    return [_source(source, call) for source, call in zip(asset.sources, calls, strict=True)]


def _source(source: Source, call: str) -> str:
    if source.contract is None:
        return "{ native = true }"
    selector = f"0x{source.selector.hex()}" if source.selector else ""
    return f"{{ contract = {toml(source.contract)}, call = {toml(call or selector)} }}"


def _trigger(trigger: Trigger) -> str:
    params = ", ".join(
        f"{each.type}{' indexed' if each.indexed else ''} {each.name}".strip()
        for each in trigger.event.params
    )
    event = f"{trigger.event.name}({params})"
    contract, wallets = toml(trigger.contract), toml(trigger.wallets)
    return f"{{ contract = {contract}, event = {toml(event)}, wallets = {wallets} }}"


def toml(value: Any) -> str:
    """One value."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(toml(each) for each in value)}]"
    if isinstance(value, bytes):
        return toml(checksummed(value))
    return (
        str(value)
        if isinstance(value, int)
        else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    )
