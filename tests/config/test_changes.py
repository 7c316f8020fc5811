"""What a new config changes of the one in force: every key in exactly one of two lists, and nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.config import Config
from actors.config.changes import changes, is_tunable
from actors.config.keys import ARRAYS, TABLES, keys_of
from actors.errors import ConfigError
from tests.config.texts import MINIMAL, SECOND, changed, loaded

FULL = (
    MINIMAL
    + SECOND
    + """
[[chain]]
name = "polygon"
chain_id = 137
http = ["https://polygon.example/v2/HTTPKEY12345"]
ws = ["wss://polygon.example/v2/WSKEY1234567"]

[audit]
rows_a_minute = 10

[chaos]
enabled = true
token = "t0kenofchaos"
kill_every_secs = 5
"""
)
EVERY = [(kind, name) for kind, table in {**TABLES, **ARRAYS}.items() for name in keys_of(table) if name != "name"]
Key = tuple[str, str]


@pytest.fixture
def config(file: Path) -> Config:
    return loaded(file, FULL)


def other(value: Any, hint: Any, choices: tuple[str, ...] = ()) -> Any:
    """Another value of that kind."""
    if choices:
        return next(choice for choice in choices if choice != value)
    if hint is bool:
        return not value
    if hint in (int, float):
        return value + 1
    if hint is bytes:
        return value[::-1]
    return value + "x" if hint is str else (*value, *(value[:1] or ("s3cretofanentry",)))


def with_other(config: Config, *keys: Key) -> Config:
    """The config with other values of these keys, in the first of several entries."""
    for kind, name in keys:
        table: Any = getattr(config, kind) if kind in TABLES else getattr(config, f"{kind}s")[0]
        key = keys_of(type(table))[name]
        value = "alchemy" if (kind, name) == ("chain", "prices") else other(getattr(table, name), get_type_hints(type(table))[name], key.metadata.get("choices", ()))
        new = dataclasses.replace(table, **{name: value})
        tables = {kind: new} if kind in TABLES else {f"{kind}s": (new, *getattr(config, f"{kind}s")[1:])}
        config = dataclasses.replace(config, **tables)
    return config


def path_of(config: Config, key: Key) -> str:
    kind, name = key
    return f"{kind}.{name}" if kind in TABLES else f"{kind}.{getattr(config, f'{kind}s')[0].name}.{name}"


def tunable(key: Key) -> bool:
    return bool(keys_of({**TABLES, **ARRAYS}[key[0]])[key[1]].metadata["tunable"])


def test_the_same_config_changes_nothing(config: Config, file: Path) -> None:
    found = changes(config, loaded(file, FULL))
    assert (found.config, found.tuned, found.restart) == (config, (), ())


@pytest.mark.parametrize("key", EVERY, ids=".".join)
def test_a_key_that_changes_is_named_in_one_list_and_is_in_force_where_it_is_tunable(config: Config, key: Key) -> None:
    new = with_other(config, key)
    found, path = changes(config, new), path_of(config, key)
    if tunable(key):
        assert ([change.key for change in found.tuned], found.restart, found.config) == ([path], (), new)
    else:
        assert (found.tuned, found.restart, found.config) == ((), (path,), config)


@settings(deadline=None)
@given(keys=st.sets(st.sampled_from(EVERY)))
def test_of_any_keys_that_change_the_tunable_ones_are_in_force_and_the_others_still_differ(tmp_path_factory: pytest.TempPathFactory, keys: set[Key]) -> None:
    config = loaded(tmp_path_factory.mktemp("config") / "trueup.toml", FULL)
    new = with_other(config, *sorted(keys))
    found = changes(config, new)
    assert {change.key for change in found.tuned} == {path_of(config, key) for key in keys if tunable(key)}
    assert set(found.restart) == {path_of(config, key) for key in keys if not tunable(key)}
    assert found.config == with_other(config, *(key for key in sorted(keys) if tunable(key)))
    again = changes(found.config, new)
    assert (again.config, again.tuned, again.restart) == (found.config, (), found.restart)
    back = changes(found.config, config)
    assert (back.config, back.restart) == (config, ())


@pytest.mark.parametrize(("kind", "name"), [("audit", "rows_a_minute"), ("chaos", "kill_every_secs")])
def test_what_a_zero_turns_off_needs_a_restart_to_go_off_or_on(config: Config, kind: str, name: str) -> None:
    off = dataclasses.replace(config, **{kind: dataclasses.replace(getattr(config, kind), **{name: 0})})
    for old, new in ((config, off), (off, config)):
        found = changes(old, new)
        assert (found.config, found.tuned, found.restart) == (old, (), (f"{kind}.{name}",))


def test_entries_that_come_or_go_are_named_and_the_others_are_tuned(config: Config, file: Path) -> None:
    text = changed('name = "polygon"', 'name = "base"\nconfirm_secs = 5', FULL)
    found = changes(config, loaded(file, changed("chain_id = 1\n", "chain_id = 1\nconfirm_secs = 7\n", text)))
    assert found.restart == ("chain.polygon", "chain.base")
    assert [str(change) for change in found.tuned] == ["chain.ethereum.confirm_secs 60 -> 7"]
    assert [(chain.name, chain.confirm_secs) for chain in found.config.chains] == [("ethereum", 7), ("polygon", 60)]


def test_entries_in_another_order_need_a_restart_and_are_tuned_by_their_names(config: Config) -> None:
    first, second = config.assets
    new = dataclasses.replace(config, assets=(second, dataclasses.replace(first, target_age_secs=60.0)))
    found = changes(config, new)
    assert (found.restart, [change.key for change in found.tuned]) == (("asset",), ["asset.AUDIO.target_age_secs"])
    assert [asset.name for asset in found.config.assets] == ["AUDIO", "STAKE"]


def test_no_secret_is_in_what_is_said(config: Config, file: Path) -> None:
    secrets = {"HTTPKEY12345": "HTTPKEY99999", "WSKEY1234567": "WSKEY9999999", "t0kenofchaos": "0therchaostoken", "keeper@": "keeper:n3wpassword@"}
    text = FULL
    for old, new in secrets.items():
        text = changed(old, new, text)
    found = changes(config, loaded(file, text))
    assert found.restart == ("database.url", "chaos.token", "chain.polygon.http", "chain.polygon.ws")
    said = " ".join([*map(str, found.tuned), *found.restart])
    assert not any(word in said for pair in secrets.items() for word in pair)


def test_no_secret_is_tunable() -> None:
    assert [key for key in EVERY if tunable(key) and keys_of({**TABLES, **ARRAYS}[key[0]])[key[1]].metadata["secret"]] == []


def test_a_price_file_whose_tables_have_changed_is_tuned(config: Config, file: Path) -> None:
    prices = file.parent / "mine.toml"
    text = FULL + '\n[budget]\nprices_file = "mine.toml"\n'
    prices.write_text("[plain]\ndefault = 1\n")
    old = loaded(file, text)
    prices.write_text("[plain]\ndefault = 2\n")
    found = changes(old, loaded(file, text))
    assert [str(change) for change in found.tuned] == ['budget.prices_file "mine.toml" -> "mine.toml", which has changed']
    assert (found.config.prices["plain"].default, found.restart) == (2, ())


def test_what_would_be_in_force_is_checked_as_a_whole(config: Config, file: Path) -> None:
    """Each file is sound by itself; the new prices with the old chain, which waits for a restart, are not."""
    (file.parent / "mine.toml").write_text("[mine]\ndefault = 1\n")
    old = loaded(file, FULL)
    text = FULL.replace('name = "polygon"', 'name = "base"\nprices = "mine"').replace("chain_id = 1\n", 'chain_id = 1\nprices = "mine"\n')
    new = loaded(file, text + '\n[budget]\nprices_file = "mine.toml"\n')
    with pytest.raises(ConfigError, match=r'prices: expected a table of mine.toml, got "plain".*wait for a restart: chain.polygon, chain.base'):
        changes(old, new)


def test_only_a_number_that_stays_on_or_off_is_tunable_where_zero_is_off() -> None:
    metadata = {"tunable": True, "off_at_zero": True}
    assert [is_tunable(metadata, *pair) for pair in ((0, 5), (5, 0), (5, 6), (0, 0))] == [False, False, True, True]
